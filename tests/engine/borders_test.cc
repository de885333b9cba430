// What is refused, and when: before a token is paid for, and at each of the pipeline's four entries. Geometry comes
// from the checkpoint. A pipeline may be moved, and may go in its own callback.
#include <ATen/ATen.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "base/json.h"
#include "engine/checkpoint/safetensors.h"
#include "glm/pipeline.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/sanitizer.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

LoadOptions options() {
  return {.dtype = "float32", .device = test_device_name(), .threads = 1};
}

class Borders : public testing::Test {
 protected:
  // How far a call came before it was refused: the stages that had begun.
  struct Begun {
    std::map<Stage, int64_t> done;
    Callbacks callbacks;
    Begun() {
      callbacks.progress = [this](Stage stage, int64_t count, int64_t) { done[stage] = count; };
    }
  };

  fs::path injected(const std::map<std::string, at::Tensor>& tensors) const {
    write_safetensors(folder_ / "inject", tensors, {});
    return folder_ / "inject";
  }
  // Is this refused with these words before any stage has begun?
  testing::AssertionResult refused_at_once(const Request& request, const std::vector<std::string>& said) const {
    Begun begun;
    const auto result = refused(ErrorCode::usage, said, [&] { pipeline_.generate(request, begun.callbacks); });
    if (!result || begun.done.empty()) return result;
    return testing::AssertionFailure() << "refused after " << stage_name(begun.done.begin()->first) << " had begun";
  }

  const TemporaryFolder folder_;
  const Pipeline pipeline_{checkpoint_a(), options()};
};

using BeforeTheFirstToken = Borders;

TEST_F(BeforeTheFirstToken, TextsAreCounted) {
  Request request = small_request({1});
  request.texts.assign(300, "A");
  EXPECT_TRUE(refused_at_once(request, {"texts", "at most 256", "300"}));
  request.texts = {"A", ""};
  EXPECT_TRUE(refused_at_once(request, {"texts", "an empty one"}));
  request.texts.clear();
  request.prompt = "a sign";
  for (int i = 0; i < 300; ++i) request.prompt += " \"A\"";
  EXPECT_TRUE(refused_at_once(request, {"texts", "at most 256", "300"}));
}

TEST_F(BeforeTheFirstToken, WhatIsInjectedHasToFit) {
  Request request = small_request({1});
  const auto with = [&](const std::string& name, const at::Tensor& tensor) {
    request.inject = injected({{name, tensor}});
    return request;
  };
  EXPECT_TRUE(refused_at_once(with("glyph.prompt_embeds", at::zeros({1, 3, 5})), {"glyph.prompt_embeds", "[1, 3, 5]"}));
  EXPECT_TRUE(refused_at_once(with("glyph.negative_embeds", at::zeros({2, 3})), {"glyph.negative_embeds", "[2, 3]"}));
  EXPECT_TRUE(refused_at_once(with("latents.init", at::zeros({1, 16, 4, 4})), {"latents.init", "[1, 16, 4, 4]"}));
  EXPECT_TRUE(refused_at_once(with("latents.final_scaled", at::zeros({1, 16, 4, 4})), {"latents.final_scaled"}));
  EXPECT_TRUE(refused_at_once(with("step7.latents", at::zeros({1, 16, 20, 16})), {"step7.latents", "steps"}));
  EXPECT_TRUE(refused_at_once(with("step0.latents", at::zeros({1, 16, 4, 4})), {"step0.latents", "[1, 16, 4, 4]"}));
  EXPECT_TRUE(refused_at_once(with("prior.ids", at::full({1, 80}, 1 << 20, at::kLong)), {"prior.ids", "ids from 0"}));
  EXPECT_TRUE(refused_at_once(with("ar.generated", at::zeros({1, 3}, at::kLong)), {"ar.generated", "at least"}));
  EXPECT_TRUE(refused_at_once(with("ar.in.input_ids", at::full({1, 3}, 1 << 30, at::kLong)), {"ar.in.input_ids"}));
}

TEST_F(BeforeTheFirstToken, ThePromptHasToFitTheModel) {
  Request request = small_request({1});
  request.prompt = std::string(200'000, 'x');
  for (size_t i = 0; i < request.prompt.size(); i += 2) request.prompt[i] = ' ';
  request.references.push_back({64, 64, std::vector<uint8_t>(size_t{3} * 64 * 64)});
  EXPECT_TRUE(refused_at_once(request, {"the prompt is too long"}));
}

TEST_F(BeforeTheFirstToken, APreviewNeedsAStep) {
  Callbacks callbacks;
  callbacks.preview = [](const Preview&) {};
  for (const int64_t every : {0, -1}) {
    callbacks.preview_every = every;
    EXPECT_TRUE(refused(ErrorCode::usage, {"preview_every", "at least 1", std::to_string(every)},
                        [&] { pipeline_.generate(small_request({1}), callbacks); }));
  }
}

TEST_F(BeforeTheFirstToken, TokensOfALaterStageHaveToFit) {
  Request request = small_request({1});
  request.references.push_back({64, 64, std::vector<uint8_t>(size_t{3} * 64 * 64)});
  Begun begun;
  EXPECT_TRUE(refused(ErrorCode::usage, {"tokens"}, [&] {
    pipeline_.latents(request, {{5, 4, std::vector<int64_t>(20, -1)}}, begun.callbacks);
  }));
  EXPECT_TRUE(begun.done.empty()) << "a reference was read first";
}

// A checkpoint of random weights whose latents aren't 8 pixels: the VAE has three levels, and the patches are 4 x 4.
fs::path patch_four(const TemporaryFolder& folder) {
  const fs::path to = folder / "four";
  fs::copy(checkpoint_a(), to, fs::copy_options::recursive);
  const auto change = [&](const std::string& name, const std::function<void(nlohmann::json&)>& edit) {
    nlohmann::json content = read_json(to / name);
    edit(content);
    std::ofstream(to / name) << content;
  };
  change("vae/config.json", [](nlohmann::json& c) {
    for (const char* key : {"block_out_channels", "down_block_types", "up_block_types"}) c[key].erase(3);
  });
  change("transformer/config.json", [](nlohmann::json& c) { c["patch_size"] = 4; });
  return to;
}

TEST(Geometry, IsTheCheckpointsOwn) {
  const TemporaryFolder folder;
  const Pipeline pipeline("random:" + patch_four(folder).string(), options());
  Request request = small_request({1});
  request.width = 130;
  const Details d = pipeline.details(request);
  EXPECT_EQ(d.rendered_width, 160);
  EXPECT_EQ(d.grid_width, 5);
  EXPECT_EQ(d.grid_height, 5);
  EXPECT_EQ(d.latent_width, 40);
  EXPECT_EQ(d.latent_height, 40);
  const std::vector<Tokens> tokens = pipeline.tokens(request, {});
  const std::vector<Latents> latents = pipeline.latents(request, tokens, {});
  EXPECT_EQ(tokens[0].width, d.grid_width);
  EXPECT_EQ(latents[0].width, d.latent_width);
  EXPECT_EQ(latents[0].height, d.latent_height);
  Callbacks callbacks;
  callbacks.preview = [&](const Preview& p) {
    EXPECT_EQ(p.image.width, d.latent_width);
    EXPECT_EQ(p.image.height, d.latent_height);
  };
  EXPECT_EQ(pipeline.generate(request, callbacks).pictures[0].image.width, 130);
  EXPECT_EQ(pipeline.pixels(request, latents, {}).pictures[0].image.width, 130);
}

// From now on this process's address space may grow by `more` bytes.
void limit_memory(int64_t more) {
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto most = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE) + more);
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_AS, &limit);
}

// The exit status of `act` in a process of its own, or 128 + the signal that ended it.
int status_in_child(const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(act());
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Key/value heads so wide that the cache of 2048 x 2048 takes 290 MB.
fs::path wide_cache(const TemporaryFolder& folder) {
  const fs::path to = folder / "wide";
  fs::copy(checkpoint_a(), to, fs::copy_options::recursive);
  const fs::path file = to / "vision_language_encoder/config.json";
  nlohmann::json content = read_json(file);
  nlohmann::json& text = content["text_config"];
  text["num_attention_heads"] = text["num_key_value_heads"] = 8;
  text["head_dim"] = 512;
  text["num_hidden_layers"] = 1;
  text["rope_parameters"]["mrope_section"] = {32, 48, 48};
  std::ofstream(file) << content;
  return to;
}

// Each entry asks whether its own stages fit before one begins: 2048 x 2048 needs more than is allowed here.
class LittleMemory : public testing::Test {
 protected:
  using Call = std::function<void(const Pipeline&, const Request&, const Callbacks&)>;

  // 0: refused for lack of memory before a stage began. 1: not at all. 2: for something else. 3: later.
  static int refusal(const std::string& checkpoint, const Call& call) {
    return status_in_child([&] {
      const Pipeline pipeline(checkpoint, options());
      Request request = small_request({1});
      pipeline.generate(request, {});
      request.width = request.height = 2048;
      bool begun = false;
      Callbacks callbacks;
      callbacks.progress = [&](Stage, int64_t, int64_t) { begun = true; };
      limit_memory(int64_t{8} << 20);
      try {
        call(pipeline, request, callbacks);
        return 1;
      } catch (const Error& e) {
        return e.code() != ErrorCode::memory ? 2 : begun ? 3 : 0;
      }
    });
  }
};

TEST_F(LittleMemory, IsToldBeforeAStageBeginsAtEveryEntry) {
  if (kSanitized) GTEST_SKIP() << "AddressSanitizer needs an address space without limits";
  if (!test_device().is_cpu()) GTEST_SKIP() << "a GPU says itself when it has too little";
  const TemporaryFolder folder;
  const std::string a = checkpoint_a().string();
  EXPECT_EQ(refusal(a, [](const auto& p, const auto& r, const auto& c) { p.generate(r, c); }), 0);
  EXPECT_EQ(refusal("random:" + wide_cache(folder).string(),
                    [](const auto& p, const auto& r, const auto& c) { p.tokens(r, c); }),
            0);
  const std::vector<Tokens> tokens = {{64, 64, std::vector<int64_t>(4096)}};
  EXPECT_EQ(refusal(a, [&](const auto& p, const auto& r, const auto& c) { p.latents(r, tokens, c); }), 0);
  const std::vector<Latents> latents = {{16, 256, 256, std::vector<float>(size_t{16} * 256 * 256)}};
  EXPECT_EQ(refusal(a, [&](const auto& p, const auto& r, const auto& c) { p.pixels(r, latents, c); }), 0);
}

// The bias of 60 texts of 2,000 bytes takes 3 GB on `a`.
TEST_F(LittleMemory, IsToldOfManyLongTexts) {
  if (kSanitized) GTEST_SKIP() << "AddressSanitizer needs an address space without limits";
  if (!test_device().is_cpu()) GTEST_SKIP() << "a GPU says itself when it has too little";
  EXPECT_EQ(refusal(checkpoint_a().string(),
                    [](const auto& p, const auto&, const auto& c) {
                      Request request = small_request({1});
                      request.texts.assign(60, std::string(2000, 'x'));
                      p.generate(request, c);
                    }),
            0);
}

// Memory that runs out in the middle of a call: what references left for the next call gives way, and the call is made
// again, unless a part of it has gone to the caller already.
class LittleMemoryBesideReferences : public Borders {
 protected:
  LittleMemoryBesideReferences() {
    with_reference_.references = {{64, 64, std::vector<uint8_t>(size_t{3} * 64 * 64)}};
    callbacks_.progress = [this](Stage stage, int64_t, int64_t) {
      if (stage != failing_) return;
      failing_.reset();
      throw std::bad_alloc();
    };
  }
  testing::AssertionResult fails(const Callbacks& callbacks) const {
    return refused(ErrorCode::memory, {"out of memory"}, [&] { pipeline_.generate(small_request({1, 2}), callbacks); });
  }
  Request with_reference_ = small_request({1});
  std::optional<Stage> failing_;  // where memory runs out, once
  Callbacks callbacks_;
};

TEST_F(LittleMemoryBesideReferences, TheKeptOnesGiveWay) {
  failing_ = Stage::steps;
  EXPECT_TRUE(fails(callbacks_)) << "nothing is kept";
  pipeline_.generate(with_reference_, {});
  failing_ = Stage::steps;
  EXPECT_EQ(pipeline_.generate(small_request({1, 2}), callbacks_).pictures.size(), 2);
  failing_ = Stage::steps;
  EXPECT_TRUE(fails(callbacks_)) << "they have gone already";
}

TEST_F(LittleMemoryBesideReferences, NothingIsHandedOutTwice) {
  std::vector<uint64_t> seeds;
  callbacks_.picture = [&](const Picture& picture) {
    seeds.push_back(picture.seed);
    failing_ = Stage::steps;  // the next picture's
  };
  pipeline_.generate(with_reference_, {});
  EXPECT_TRUE(fails(callbacks_));
  EXPECT_EQ(seeds, std::vector<uint64_t>{1});
  failing_.reset();
  callbacks_.picture = [&](const Picture& picture) { seeds.push_back(picture.seed); };
  pipeline_.generate(small_request({3}), callbacks_);
  EXPECT_EQ(seeds, (std::vector<uint64_t>{1, 3}));
}

TEST(LoadedCheckpoint, MappedItDrawsTheSame) {
  LoadOptions mapped = options();
  mapped.map_weights = true;
  const Request request = small_request({1});
  const auto drawn = [&](const LoadOptions& own) {
    return Pipeline(checkpoint_a(), own).generate(request, {}).pictures[0].image.rgb;
  };
  EXPECT_TRUE(drawn(mapped) == drawn(options()));
}

// Nothing of a checkpoint is read after it was loaded: a download that is resumed, or rsync, may change the files.
TEST(LoadedCheckpoint, IsNotReadAgain) {
  const TemporaryFolder folder;
  fs::copy(checkpoint_a(), folder / "a", fs::copy_options::recursive);
  EXPECT_EQ(status_in_child([&] {
              const Pipeline pipeline(folder / "a", options());
              for (const auto& entry : fs::recursive_directory_iterator(folder / "a")) {
                if (entry.path().extension() == ".safetensors") fs::resize_file(entry.path(), 0);
              }
              return pipeline.generate(small_request({1}), {}).pictures.size() == 1 ? 0 : 1;
            }),
            0)
      << "128 + the signal that ended the host";
}

int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// What the DiT is told of a picture's tokens is made when the picture's turn comes: 256 kB each here.
TEST_F(Borders, ManyPicturesTakeTheMemoryOfAFew) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "the process's memory is asked";
  if (kSanitized) GTEST_SKIP() << "AddressSanitizer keeps what is freed";
  Request request = small_request({1, 2, 3, 4});
  request.width = request.height = 512;
  request.steps = 1;
  request.guidance = 1;
  request.inject = injected({{"prior.ids", at::zeros({1, 1024}, at::kLong)}});
  Callbacks callbacks;
  callbacks.picture = [](const Picture&) {};
  pipeline_.generate(request, callbacks);
  const int64_t few = peak_bytes();
  request.seeds.assign(1000, 1);
  CancelToken cancel;
  int drawn = 0;
  callbacks.picture = [&](const Picture&) {
    if (++drawn == 3) cancel.cancel();
  };
  callbacks.cancel = &cancel;
  EXPECT_TRUE(refused(ErrorCode::cancelled, {}, [&] { pipeline_.generate(request, callbacks); }));
  // The allocator of a new thread alone takes up to 25 MB.
  EXPECT_LT(peak_bytes() - few, 90'000'000) << "1000 pictures would take 260 MB at once";
}

TEST(MovedPipeline, SaysSo) {
  Pipeline first(checkpoint_a(), options());
  const Pipeline second(std::move(first));
  EXPECT_EQ(second.generate(small_request({1}), {}).pictures.size(), 1);
  const std::vector<std::string> said = {"pipeline", "moved"};
  EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { first.generate(small_request({1}), {}); }));
  EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { first.tokens(small_request({1}), {}); }));
  EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { first.details(small_request({1})); }));
  EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { (void)first.device(); }));
  EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { (void)first.warnings(); }));
}

TEST(MovedPipeline, MayEndInItsOwnCallback) {
  auto pipeline = std::make_unique<Pipeline>(checkpoint_a(), options());
  Callbacks callbacks;
  callbacks.progress = [&](Stage stage, int64_t, int64_t) {
    if (stage == Stage::steps) pipeline.reset();
  };
  const Result result = pipeline->generate(small_request({1}), callbacks);
  EXPECT_EQ(result.pictures.size(), 1) << "the call goes on to its end";
  EXPECT_EQ(pipeline, nullptr);
}

}  // namespace
}  // namespace glm
