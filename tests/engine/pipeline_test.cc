// The public boundary: callbacks, stages apart, calls from any thread, tokens that end them.
#include "glm/pipeline.h"

#include <ATen/ATen.h>

#include <cmath>
#include <future>
#include <thread>

#include "engine/checkpoint/dtype.h"
#include "engine/device/device.h"
#include "glm/plan.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/checkpoints.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

// Rendered wider than it is.
Request small(std::vector<uint64_t> seeds) {
  Request request = small_request(std::move(seeds));
  request.width = 130;
  return request;
}

// A prompt of more words than the model has positions.
std::string too_long() {
  std::string prompt;
  for (int i = 0; i < 100'000; ++i) prompt += " x";
  return prompt;
}

class PipelineTest : public testing::Test {
 protected:
  Pipeline pipeline_{checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .threads = 1}};
};

using Stages = PipelineTest;
using Queue = PipelineTest;
using CallbacksOf = PipelineTest;

TEST_F(Stages, ApartGiveThePicturesOfTheWholeWay) {
  const Request request = small({7, 8});
  const Result whole = pipeline_.generate(request, {});
  const std::vector<Tokens> tokens = pipeline_.tokens(request, {});
  ASSERT_EQ(tokens.size(), 2);
  EXPECT_EQ(tokens[0].width, 5);
  EXPECT_EQ(tokens[0].height, 5);
  EXPECT_EQ(tokens[0].ids.size(), 25);
  EXPECT_NE(tokens[0].ids, tokens[1].ids);
  const std::vector<Latents> latents = pipeline_.latents(request, tokens, {});
  ASSERT_EQ(latents.size(), 2);
  EXPECT_EQ(latents[0].width, 20);
  EXPECT_EQ(latents[0].height, 20);
  EXPECT_EQ(latents[0].channels, pipeline_.details(request).latent_channels);
  const Result parts = pipeline_.pixels(request, latents, {});
  ASSERT_EQ(parts.pictures.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(parts.pictures[i].seed, whole.pictures[i].seed);
    EXPECT_TRUE(parts.pictures[i].image.rgb == whole.pictures[i].image.rgb);
  }
}

// Of other prompts, sizes, seeds and samplings, and with a reference.
TEST_F(Stages, RequestsThatShareAPassGetTheirOwnTokens) {
  std::vector<Request> requests = {small({7, 8}), small({9}), small({7}), small({1})};
  requests[1].prompt = "a much longer prompt with the word \"OPEN\"";
  requests[1].height = 160;
  requests[2].greedy = true;
  requests[3].references = {Image{.width = 128, .height = 128, .rgb = std::vector<uint8_t>(128 * 128 * 3, 90)}};
  const std::vector<std::vector<Tokens>> together = pipeline_.tokens(requests, {});
  ASSERT_EQ(together.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::vector<Tokens> alone = pipeline_.tokens(requests[i], {});
    ASSERT_EQ(together[i].size(), alone.size());
    for (size_t k = 0; k < alone.size(); ++k) {
      EXPECT_EQ(together[i][k].width, alone[k].width);
      EXPECT_EQ(together[i][k].ids, alone[k].ids) << i;
    }
  }
  EXPECT_NE(together[0][0].ids, together[2][0].ids);
  EXPECT_TRUE(pipeline_.tokens(std::vector<Request>(), {}).empty());
  requests[2].prompt = too_long();
  EXPECT_TRUE(refused(ErrorCode::usage, {"prompt is too long"}, [&] { pipeline_.tokens(requests, {}); }));
}

TEST_F(Stages, ACheckRefusesWhatGeneratingWouldRefuse) {
  Request request = small({7});
  pipeline_.check(request);
  request.steps = 0;
  EXPECT_TRUE(refused(ErrorCode::usage, {"steps"}, [&] { pipeline_.check(request); }));
  request = small({7});
  request.prompt = too_long();
  EXPECT_TRUE(refused(ErrorCode::usage, {"prompt is too long"}, [&] { pipeline_.check(request); }));
  request = small({7});
  request.texts.assign(1000, "A");
  EXPECT_TRUE(refused(ErrorCode::usage, {"texts"}, [&] { pipeline_.check(request); }));
  request = small({7});
  request.dump = "/nowhere/at/all.safetensors";
  EXPECT_TRUE(refused(ErrorCode::io, {"/nowhere/at/all"}, [&] { pipeline_.check(request); }));
}

TEST_F(Stages, NameWhatDoesNotFit) {
  const Request request = small({7});
  const std::vector<Tokens> tokens = pipeline_.tokens(request, {});
  const std::vector<Latents> latents = pipeline_.latents(request, tokens, {});
  const auto refused_tokens = [&](std::vector<Tokens> wrong, const std::vector<std::string>& said) {
    return refused(ErrorCode::usage, said, [&] { pipeline_.latents(request, wrong, {}); });
  };
  EXPECT_TRUE(refused_tokens({}, {"tokens", "1 pictures", "found 0"}));
  EXPECT_TRUE(refused_tokens({{5, 4, std::vector<int64_t>(20)}}, {"tokens", "5x5", "5x4 with 20"}));
  EXPECT_TRUE(refused_tokens({{5, 5, std::vector<int64_t>(24)}}, {"tokens", "5x5 with 24"}));
  EXPECT_TRUE(refused_tokens({{5, 5, std::vector<int64_t>(25, -1)}}, {"tokens", "ids from 0", "-1"}));
  EXPECT_TRUE(refused_tokens({{5, 5, std::vector<int64_t>(25, int64_t{1} << 60)}}, {"tokens", "ids from 0"}));
  Latents short_one = latents[0];
  short_one.values.pop_back();
  EXPECT_TRUE(refused(ErrorCode::usage, {"latents", "20, 20"}, [&] { pipeline_.pixels(request, {short_one}, {}); }));
  Latents odd = latents[0];
  odd.width = int64_t{1} << 62;
  EXPECT_TRUE(refused(ErrorCode::usage, {"latents", "20, 20"}, [&] { pipeline_.pixels(request, {odd}, {}); }));
  for (const float value : {NAN, INFINITY}) {
    Latents wild = latents[0];
    wild.values.back() = value;
    EXPECT_TRUE(refused(ErrorCode::usage, {"latents", "finite"}, [&] { pipeline_.pixels(request, {wild}, {}); }));
  }
}

TEST_F(Queue, CallsFromManyThreadsGiveTheirOwnPictures) {
  std::vector<std::vector<uint8_t>> alone;
  for (uint64_t seed = 0; seed < 4; ++seed)
    alone.push_back(pipeline_.generate(small({seed}), {}).pictures[0].image.rgb);
  std::atomic<int> inside = 0;
  std::vector<std::future<std::vector<uint8_t>>> drawn;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    drawn.push_back(std::async(std::launch::async, [&, seed] {
      bool counted = false;
      Callbacks callbacks;
      callbacks.progress = [&](Stage, int64_t, int64_t) {
        if (!counted) {
          EXPECT_EQ(++inside, 1) << "two calls at once";
        }
        counted = true;
      };
      callbacks.picture = [&](const Picture&) { --inside; };
      EXPECT_TRUE(pipeline_.generate(small({seed}), callbacks).pictures.empty());
      return pipeline_.generate(small({seed}), {}).pictures[0].image.rgb;
    }));
  }
  for (uint64_t seed = 0; seed < 4; ++seed) EXPECT_TRUE(drawn[seed].get() == alone[seed]) << seed;
}

TEST_F(Queue, ATokenEndsACallWithinATokenOrAStep) {
  for (const Stage wanted : {Stage::tokens, Stage::glyphs, Stage::steps, Stage::pixels}) {
    CancelToken cancel;
    int after = 0;
    Callbacks callbacks;
    callbacks.progress = [&](Stage stage, int64_t, int64_t) {
      if (cancel.cancelled()) ++after;
      if (stage == wanted) cancel.cancel();
    };
    callbacks.cancel = &cancel;
    EXPECT_TRUE(refused(ErrorCode::cancelled, {"cancelled"}, [&] { pipeline_.generate(small({1}), callbacks); }));
    EXPECT_TRUE(cancel.cancelled());
    EXPECT_EQ(after, 0) << stage_name(wanted);
  }
  EXPECT_EQ(pipeline_.generate(small({1}), {}).pictures.size(), 1) << "the next call draws";
}

TEST_F(Queue, ACallThatWaitsForItsTurnIsCancelledAtOnce) {
  std::promise<void> begun, go_on;
  Callbacks first;
  first.picture = [&](const Picture&) {
    begun.set_value();
    go_on.get_future().wait();
  };
  auto running = std::async(std::launch::async, [&] { pipeline_.generate(small({1}), first); });
  begun.get_future().wait();
  CancelToken cancel;
  Callbacks second;
  second.cancel = &cancel;
  auto waiting = std::async(std::launch::async, [&] {
    return refused(ErrorCode::cancelled, {"cancelled"}, [&] { pipeline_.generate(small({2}), second); });
  });
  cancel.cancel();
  EXPECT_TRUE(waiting.get()) << "while the first call still runs";
  go_on.set_value();
  running.get();
}

TEST_F(Queue, ALoadIsCancelled) {
  CancelToken cancel;
  cancel.cancel();
  EXPECT_TRUE(refused(ErrorCode::cancelled, {"cancelled"}, [&] {
    const Pipeline never(checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .cancel = &cancel});
  }));
}

TEST_F(CallbacksOf, ARunReportEachPassAndStep) {
  std::map<Stage, std::vector<int64_t>> seen;
  std::map<Stage, int64_t> totals;
  Callbacks callbacks;
  callbacks.progress = [&](Stage stage, int64_t done, int64_t total) {
    seen[stage].push_back(done);
    totals[stage] = total;
  };
  std::vector<uint64_t> finished;
  callbacks.picture = [&](const Picture& picture) {
    EXPECT_EQ(picture.image.width, 130);
    EXPECT_EQ(picture.image.rgb.size(), 3U * 130 * 160);
    finished.push_back(picture.seed);
    EXPECT_EQ(seen[Stage::steps].back(), 2 * static_cast<int64_t>(finished.size())) << "each as soon as it is done";
  };
  pipeline_.generate(small({3, 4}), callbacks);
  EXPECT_EQ(finished, (std::vector<uint64_t>{3, 4}));
  const std::vector<int64_t>& tokens = seen[Stage::tokens];
  EXPECT_EQ(tokens.front(), 0);
  EXPECT_EQ(tokens.back(), totals[Stage::tokens]);
  for (size_t i = 1; i < tokens.size(); ++i) {
    EXPECT_GT(tokens[i], tokens[i - 1]) << "after each pass";
    EXPECT_LE(tokens[i] - tokens[i - 1], 16) << "in each pass";
  }
  EXPECT_EQ(seen[Stage::steps], (std::vector<int64_t>{0, 1, 2, 2, 3, 4})) << "each step";
  EXPECT_EQ(totals[Stage::steps], 4);
  EXPECT_EQ(seen[Stage::pixels].back(), 2);
}

TEST_F(CallbacksOf, TapsSeeWhatADumpHolds) {
  const TemporaryFolder folder;
  Request request = small({5});
  request.dump = folder / "dump";
  std::map<std::string, StageTensor> seen;
  std::map<std::string, std::string> bytes;
  Callbacks callbacks;
  callbacks.tap = [&](const StageTensor& t) {
    seen[t.name] = t;
    bytes[t.name].assign(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  };
  pipeline_.generate(request, callbacks);
  const SafetensorsFile dump(request.dump);
  ASSERT_GE(dump.tensors().size(), 20);
  EXPECT_EQ(seen.size(), dump.tensors().size());
  for (const auto& [name, info] : dump.tensors()) {
    EXPECT_EQ(seen[name].shape, info.shape) << name;
    EXPECT_EQ(seen[name].dtype, dtype_name(info.dtype)) << name;
    const at::Tensor stored = dump.tensor(name).contiguous();
    EXPECT_TRUE(bytes[name] == std::string(static_cast<const char*>(stored.const_data_ptr()), stored.nbytes())) << name;
  }
}

TEST_F(CallbacksOf, WhatOneThrowsComesOut) {
  Callbacks callbacks;
  callbacks.progress = [](Stage, int64_t, int64_t) { throw Error(ErrorCode::io, "no ink"); };
  EXPECT_TRUE(refused(ErrorCode::io, {"no ink"}, [&] { pipeline_.generate(small({1}), callbacks); }));
  callbacks.progress = [](Stage, int64_t, int64_t) { throw std::runtime_error("a host's own"); };
  EXPECT_TRUE(refused(ErrorCode::internal, {"a host's own"}, [&] { pipeline_.generate(small({1}), callbacks); }));
  callbacks.progress = [](Stage, int64_t, int64_t) { throw 7; };
  EXPECT_TRUE(refused(ErrorCode::internal, {"callback"}, [&] { pipeline_.generate(small({1}), callbacks); }));
  callbacks.progress = [](Stage, int64_t, int64_t) { throw std::bad_alloc(); };
  EXPECT_TRUE(refused(ErrorCode::memory, {"out of memory"}, [&] { pipeline_.generate(small({1}), callbacks); }));
  callbacks.progress = [&](Stage, int64_t, int64_t) { pipeline_.generate(small({1}), {}); };
  EXPECT_TRUE(refused(ErrorCode::usage, {"from a callback"}, [&] { pipeline_.generate(small({1}), callbacks); }));
  EXPECT_EQ(pipeline_.generate(small({1}), {}).pictures.size(), 1);
}

double psnr(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / (sum + 1e-9));
}

// The picture's mean colours of 8 x 8 pixels.
std::vector<uint8_t> shrunk(const Image& image) {
  const at::Tensor all = at::tensor(image.rgb, at::kByte).view({image.height / 8, 8, image.width / 8, 8, 3});
  const at::Tensor mean = all.to(at::kFloat).mean({1, 3}).round().to(at::kByte).contiguous();
  const auto* data = mean.const_data_ptr<uint8_t>();
  return {data, data + mean.numel()};
}

TEST(Previews, ComeCloserToThePictureAndAreLikeItAtTheEnd) {
  const Pipeline pipeline(fs::path(GLM_SOURCE_DIR) / "models/nano", {.device = test_device_name(), .threads = 1});
  Request request;
  request.prompt = "a red apple on a blue background";
  request.steps = 8;
  request.seeds = {7};
  std::vector<Preview> previews;
  Callbacks callbacks;
  callbacks.preview = [&](const Preview& preview) { previews.push_back(preview); };
  callbacks.preview_every = 2;
  const Result result = pipeline.generate(request, callbacks);
  ASSERT_EQ(previews.size(), 3) << "after 2, 4 and 6 of 8 steps";
  const std::vector<uint8_t> picture = shrunk(result.pictures[0].image);
  std::vector<double> likeness;
  for (const Preview& preview : previews) {
    EXPECT_EQ(preview.seed, 7);
    EXPECT_EQ(preview.step, 2 * static_cast<int64_t>(likeness.size() + 1));
    EXPECT_EQ(preview.image.width, 32);
    EXPECT_EQ(preview.image.height, 32);
    ASSERT_EQ(preview.image.rgb.size(), picture.size());
    likeness.push_back(psnr(preview.image.rgb, picture));
  }
  EXPECT_GT(likeness[2], likeness[0]);
  EXPECT_GT(likeness[2], 18) << likeness[0] << ", " << likeness[1] << ", " << likeness[2];
  request.steps = 8;
  EXPECT_TRUE(pipeline.generate(request, {}).pictures[0].image.rgb == result.pictures[0].image.rgb)
      << "a preview changes nothing";
}

TEST(Devices, AGpuIsOpenedAfterTheCpu) {
  if (cuda_devices().empty()) GTEST_SKIP() << "this machine has no GPU";
  const Pipeline on_cpu(checkpoint_a(), {.dtype = "float32", .device = "cpu", .threads = 1});
  EXPECT_EQ(on_cpu.generate(small({1}), {}).pictures.size(), 1);
  const Pipeline on_gpu(checkpoint_a(), {.dtype = "float32", .device = "cuda", .threads = 1});
  EXPECT_EQ(on_gpu.device(), "cuda:0");
  EXPECT_EQ(on_gpu.generate(small({1}), {}).pictures.size(), 1);
}

TEST(LoadThreads, OutsideTheirLimitsAreRefusedByALoadAndByAPlan) {
  for (const int threads : {-5, 1025}) {
    const LoadOptions options{.device = "cpu", .threads = threads};
    const std::vector<std::string> said = {"threads: expected 0 to 1024, found " + std::to_string(threads)};
    EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { Pipeline(checkpoint_folder("a"), options); }));
    EXPECT_TRUE(refused(ErrorCode::usage, said, [&] { plan(checkpoint_folder("a"), options, Request()); }));
  }
}

}  // namespace
}  // namespace glm
