// Files that are missing, broken or in the way: one clear message, the right status, nothing left behind.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "tests/cli/program.h"
#include "tests/support/sanitizer.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

void expect_failure(const Outcome& outcome, int status, const Arguments& said) {
  SCOPED_TRACE(outcome.err);
  EXPECT_EQ(outcome.status, status);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("glm-image: ", 0), 0U);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << "more than one line";
  EXPECT_LT(outcome.err.size(), 600U);
  for (const char* trace : {"frame #", "enforce fail", "what():"}) {
    EXPECT_EQ(outcome.err.find(trace), std::string::npos) << trace;
  }
  for (const std::string& text : said) EXPECT_NE(outcome.err.find(text), std::string::npos) << text;
}

class BadFiles : public testing::Test {
 protected:
  Outcome draw(const Arguments& more) { return run_program(small_picture(places_ / "a.png", more)); }
  void expect_nothing_drawn() const { EXPECT_TRUE(names_in(places_.path()).empty()); }

  TemporaryFolder folder_;  // inputs
  TemporaryFolder places_;  // outputs
};

class BadModel : public BadFiles {
 protected:
  // Draws with a copy of the checkpoint that `spoil` was done to.
  void expect_refused(const Arguments& said, const std::function<void(const fs::path&)>& spoil) {
    const fs::path model = folder_ / ("model" + std::to_string(++count_));
    fs::copy(small_checkpoint(), model, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(model)) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
    spoil(model);
    expect_failure(draw({"-m", model.string()}), 3, said);
    expect_nothing_drawn();
  }
  int count_ = 0;
};

TEST_F(BadModel, NotThere) {
  expect_failure(draw({"-m", "/nonexistent"}), 3,
                 {"/nonexistent", "no such folder", "give the folder of a GLM-Image checkpoint"});
  expect_failure(draw({"-m", (small_checkpoint() / "model_index.json").string()}), 3, {"model_index.json"});
  expect_failure(draw({"-m", folder_.path().string()}), 3, {"expected a checkpoint folder with model_index.json"});
  expect_nothing_drawn();
}

TEST_F(BadModel, AnotherPipelines) {
  expect_refused({"model_index.json", "StableDiffusionPipeline"}, [](const fs::path& m) {
    std::ofstream(m / "model_index.json") << R"({"_class_name": "StableDiffusionPipeline"})";
  });
}

TEST_F(BadModel, BrokenJson) {
  for (const char* file : {"model_index.json", "transformer/config.json", "processor/tokenizer.json",
                           "vision_language_encoder/generation_config.json", "scheduler/scheduler_config.json"}) {
    expect_refused({fs::path(file).filename().string()},
                   [&](const fs::path& m) { std::ofstream(m / file) << "{\"_class_name\": "; });
  }
}

TEST_F(BadModel, MissingParts) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"vae/config.json", "vae/config.json"},
      {"transformer/diffusion_pytorch_model.safetensors", "transformer: expected "},
      {"text_encoder/model.safetensors", "text_encoder: expected "},
      {"processor/tokenizer.json", "processor/tokenizer.json"},
      {"processor", "processor/preprocessor_config.json"}};
  for (const auto& [file, said] : rows) {
    expect_refused({said}, [&file = file](const fs::path& m) { fs::remove_all(m / file); });
  }
}

// --dry-run sees it, too.
TEST_F(BadModel, WeightsThatAreAnotherKindOfFile) {
  const std::string weights = "vae/diffusion_pytorch_model.safetensors";
  const fs::path model = folder_ / "model";
  fs::copy(small_checkpoint(), model, fs::copy_options::recursive);
  const auto expect_said = [&](const Arguments& said) {
    expect_failure(draw({"-m", model.string()}), 3, said);
    expect_failure(draw({"-m", model.string(), "--dry-run"}), 3, said);
  };
  const std::string whole = read_file(model / weights);
  fs::remove(model / weights);
  std::ofstream(model / weights) << "version https://git-lfs.github.com/spec/v1\noid sha256:4f\nsize 7\n";
  expect_said({weights, "a Git LFS pointer", "git lfs pull"});
  std::ofstream(model / weights) << "<!doctype html>\n<p>Please sign in";
  expect_said({weights, "a web page"});
  std::ofstream(model / weights) << whole.substr(0, whole.size() - 1);
  expect_said({weights});
  fs::remove(model / weights);
  expect_said({"vae: expected "});
  expect_nothing_drawn();
}

TEST_F(BadModel, ZeroedWeightsAreTold) {
  const std::string weights = "vae/diffusion_pytorch_model.safetensors";
  const fs::path model = folder_ / "model";
  fs::copy(small_checkpoint(), model, fs::copy_options::recursive);
  fs::permissions(model / weights, fs::perms::owner_write, fs::perm_options::add);
  EXPECT_EQ(draw({"-m", model.string()}).err.find("zeros"), std::string::npos);
  const uintmax_t size = fs::file_size(model / weights);
  fs::resize_file(model / weights, size * 6 / 10);
  fs::resize_file(model / weights, size);
  const Outcome drawn = draw({"-m", model.string()});
  EXPECT_EQ(drawn.status, 0);
  for (const std::string& said :
       {weights, std::string("tensors hold nothing but zeros: \""), std::string("\"encoder.")}) {
    EXPECT_NE(drawn.err.find(said), std::string::npos) << drawn.err;
  }
}

TEST_F(BadModel, TruncatedWeights) {
  const char* weights = "transformer/diffusion_pytorch_model.safetensors";
  for (const uintmax_t size : {0, 7, 100, 1000000}) {
    expect_refused({weights}, [&](const fs::path& m) { fs::resize_file(m / weights, size); });
  }
}

TEST_F(BadModel, AMissingTensor) {
  expect_refused({"vae", "decoder.conv_in.weight"}, [](const fs::path& m) {
    const fs::path file = m / "vae/diffusion_pytorch_model.safetensors";
    std::map<std::string, at::Tensor> left;
    {
      const SafetensorsFile weights(file);
      for (const auto& entry : weights.tensors()) {
        if (entry.first != "decoder.conv_in.weight") left[entry.first] = weights.tensor(entry.first).clone();
      }
    }
    write_safetensors(file, left, {});
  });
}

TEST_F(BadFiles, PlacesThatCanNotBeWritten) {
  // Told before the work: 1000 steps of this size take minutes.
  const Arguments slow = {"--size", "2048x2048", "--steps", "1000"};
  const auto with = [&](const std::string& option, const std::string& value) {
    Arguments all = slow;
    all.insert(all.end(), {option, value});
    return all;
  };
  for (const char* option : {"-o", "--dump"}) {
    expect_failure(draw(with(option, places_ / "no/such/a.png")), 1,
                   {"no/such/a.png", "there is no folder", "make it"});
    expect_failure(draw(with(option, places_.path())), 1, {"expected a file to write, found a folder"});
  }
  expect_nothing_drawn();
}

TEST_F(BadFiles, PlacesThatRefuseOnlyWhenWritten) {
  expect_failure(draw({"-o", "/proc/version"}), 1, {"/proc/version: can't be written"});
  const Outcome full = draw({"-o", "/dev/full"});
  EXPECT_EQ(full.status, 1);
  EXPECT_NE(full.err.find("/dev/full: can't be written (No space left on device)"), std::string::npos) << full.err;
  expect_nothing_drawn();
  const Outcome dump = draw({"-q", "--dump", "/dev/full"});
  EXPECT_EQ(dump.status, 1);
  EXPECT_NE(dump.err.find("/dev/full: can't be written (No space left on device)"), std::string::npos) << dump.err;
  EXPECT_EQ(dump.out, (places_ / "a.png").string() + "\n") << "the finished picture is kept";
  EXPECT_EQ(names_in(places_.path()), std::vector<std::string>{"a.png"});
}

TEST_F(BadFiles, TooLittleMemory) {
  if (kSanitized) GTEST_SKIP() << "AddressSanitizer needs an address space without limits";
  // Only the decoder runs, which is where a large picture needs most.
  write_safetensors(folder_ / "latents", {{"latents.final_scaled", at::zeros({1, 16, 256, 256})}}, {});
  const Arguments large = {"--size", "2048x2048", "--inject", (folder_ / "latents").string()};
  const Outcome outcome = run_program(small_picture(places_ / "a.png", large),
                                      {.input = {}, .folder = {}, .output = {}, .memory = 900'000'000});
  expect_failure(outcome, 4, {"out of memory", "try a smaller size"});
  expect_nothing_drawn();
}

class BadInjection : public BadFiles {
 protected:
  void expect_refused(const std::map<std::string, at::Tensor>& tensors, const Arguments& said) {
    write_safetensors(folder_ / "inject", tensors, {});
    expect_failure(draw({"--inject", (folder_ / "inject").string()}), 2, said);
    expect_nothing_drawn();
  }
};

TEST_F(BadInjection, NoTensors) {
  expect_failure(draw({"--inject", "/nonexistent"}), 2, {"can't inject /nonexistent", "found none"});
  expect_failure(draw({"--inject", folder_.path().string()}), 2, {"can't inject " + folder_.path().string()});
  std::ofstream(folder_ / "text") << "this is no safetensors file";
  expect_failure(draw({"--inject", (folder_ / "text").string()}), 2, {"can't inject", "/text"});
  expect_nothing_drawn();
}

TEST_F(BadInjection, NamesThatAreNotUsed) {
  expect_refused({{"latent.init", at::zeros({1})}}, {"can't inject", "latents.init", "step{k}.latents"});
  expect_refused({{"step05.latents", at::zeros({1})}}, {"can't inject", "step{k}.latents"});
}

TEST_F(BadInjection, Shapes) {
  expect_refused({{"latents.init", at::zeros({1, 16, 16, 8})}}, {"latents.init", "[1, 16, 16, 16]", "[1, 16, 16, 8]"});
  expect_refused({{"latents.final_scaled", at::zeros({16, 16, 16})}}, {"latents.final_scaled", "[16, 16, 16]"});
  expect_refused({{"prior.ids", at::zeros({1, 63}, at::kLong)}}, {"prior.ids", "[1, 64]", "[1, 63]"});
  expect_refused({{"ar.generated", at::zeros({1, 3}, at::kLong)}}, {"ar.generated", "image tokens"});
  expect_refused({{"step5.latents", at::zeros({1, 16, 16, 16})}}, {"step5.latents", "2 steps"});
  expect_refused({{"glyph.prompt_embeds", at::zeros({1, 4, 5})}}, {"glyph.prompt_embeds", "[1, 4, 5]"});
}

TEST_F(BadInjection, Values) {
  expect_refused({{"prior.ids", at::full({1, 64}, -1, at::kLong)}}, {"prior.ids", "ids from 0 to "});
  expect_refused({{"prior.ids", at::full({1, 64}, 1 << 30, at::kLong)}}, {"prior.ids", "ids from 0 to "});
  expect_refused({{"prior.ids", at::zeros({1, 64})}}, {"prior.ids", "expected I64, found F32"});
  expect_refused({{"ar.in.input_ids", at::full({1, 9}, 1 << 30, at::kLong)}}, {"ar.in.input_ids", "ids from 0 to "});
  expect_refused({{"latents.init", at::zeros({1, 16, 16, 16}, at::kLong)}}, {"latents.init", "floating-point"});
}

}  // namespace
}  // namespace glm
