// Which models our kernels decode, and on a GPU that it is they who do it.
#include <filesystem>
#include <utility>

#include "engine/device/device.h"
#include "engine/run/device_decoder.h"
#include "engine/run/model.h"
#include "glm/pipeline.h"
#include "kernels/cuda/loader.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/checkpoints.h"

namespace glm {
namespace {

TEST(DeviceDecoderFits, HeadsUpToThePublicOnes) {
  EXPECT_TRUE(DeviceDecoder::fits(ModelConfig(checkpoint_folder("k")).prior));
  EXPECT_TRUE(DeviceDecoder::fits(ModelConfig(std::filesystem::path(GLM_SOURCE_DIR) / "models/public").prior));
  EXPECT_TRUE(DeviceDecoder::fits(ModelConfig(std::filesystem::path(GLM_SOURCE_DIR) / "models/nano").prior));
  EXPECT_TRUE(DeviceDecoder::fits(ModelConfig(checkpoint_folder("a")).prior));
  EXPECT_FALSE(DeviceDecoder::fits(ModelConfig(checkpoint_folder("c")).prior)) << "72 is no multiple of 16";
  EXPECT_FALSE(DeviceDecoder::fits(ModelConfig(checkpoint_folder("d")).prior)) << "heads of 20";
}

TEST(KernelsOption, NeedsAGpuAndAKnownWord) {
  const auto load = [](const ModelOptions& options) { Model(checkpoint_folder("k"), "auto", at::kCPU, options); };
  EXPECT_TRUE(refused(ErrorCode::device, {"our CUDA kernels", "expected a GPU"}, [&] { load({.kernels = "force"}); }));
  EXPECT_TRUE(refused(ErrorCode::usage, {"auto, off or force", "on"}, [&] { load({.kernels = "on"}); }));
}

// A picture whose tokens another path wrote would prove nothing of the kernels.
TEST(TokensOnAGpu, AreWrittenByOurKernels) {
  if (cuda_devices().empty()) GTEST_SKIP() << "no NVIDIA GPU with a driver here";
  const cuda::Loaded& loaded = cuda::load_library();
  if (loaded.library == nullptr) GTEST_SKIP() << loaded.why_not;
  for (const char* precision : {"", "prior=fp8", "prior=int8", "prior=int4"}) {
    const Pipeline pipeline(
        checkpoint_folder("k"),
        {.dtype = "bfloat16", .device = "cuda", .precision = precision, .kernels = "force", .look_ahead = "off"});
    const uint64_t before = loaded.library->launches(cuda::Kernel::linear);
    Request request;
    request.prompt = "a cat";
    request.width = request.height = 128;
    request.steps = 1;
    request.seeds = {1, 2};
    pipeline.generate(request, {});
    // 272 tokens after the first, each two layers of four products and the head.
    EXPECT_GE(loaded.library->launches(cuda::Kernel::linear), before + 272 * 9) << precision;
  }
}

TEST(TokensOnAGpu, OfSeveralRequestsAreWrittenInOnePass) {
  if (cuda_devices().empty()) GTEST_SKIP() << "no NVIDIA GPU with a driver here";
  const cuda::Loaded& loaded = cuda::load_library();
  if (loaded.library == nullptr) GTEST_SKIP() << loaded.why_not;
  const Pipeline pipeline(checkpoint_folder("k"),
                          {.dtype = "bfloat16", .device = "cuda", .kernels = "force", .look_ahead = "off"});
  std::vector<Request> requests(3);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt = std::vector<std::string>{"a cat", "two dogs in the snow", "a cat"}[i];
    requests[i].width = requests[i].height = i == 1 ? 160 : 128;
    requests[i].seeds = {i, 5};
  }
  const auto launched = [&](const auto& call) {
    const uint64_t before = loaded.library->launches(cuda::Kernel::linear);
    call();
    return loaded.library->launches(cuda::Kernel::linear) - before;
  };
  std::vector<std::vector<Tokens>> together;
  const uint64_t shared = launched([&] { together = pipeline.tokens(requests, {}); });
  uint64_t longest = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<Tokens> alone;
    longest = std::max(longest, launched([&] { alone = pipeline.tokens(requests[i], {}); }));
    for (size_t k = 0; k < alone.size(); ++k) EXPECT_EQ(together[i][k].ids, alone[k].ids) << i;
  }
  EXPECT_EQ(shared, longest) << "as many as the largest picture alone";
}

TEST(TokensOnAGpu, AreTheSameWithLookAhead) {
  if (cuda_devices().empty()) GTEST_SKIP() << "no NVIDIA GPU with a driver here";
  if (cuda::load_library().library == nullptr) GTEST_SKIP() << cuda::load_library().why_not;
  const std::filesystem::path nano = std::filesystem::path(GLM_SOURCE_DIR) / "models/nano";
  for (const auto& [folder, precision] : {std::pair(checkpoint_folder("k"), "bf16"), std::pair(nano, "bf16"),
                                          std::pair(nano, "fp8"), std::pair(nano, "int8"), std::pair(nano, "int4")}) {
    Request request;
    request.prompt = "a red apple";
    request.width = request.height = 128;
    request.seeds = {1, 2};
    std::vector<std::vector<Tokens>> all;
    for (const char* rows : {"off", "2", "5", "16", "auto"}) {
      const Pipeline pipeline(folder, {.dtype = "bfloat16",
                                       .device = "cuda",
                                       .precision = std::string("prior=") + precision,
                                       .kernels = "force",
                                       .look_ahead = rows});
      all.push_back(pipeline.tokens(request, {}));
      for (size_t k = 0; k < all[0].size(); ++k)
        EXPECT_EQ(all.back()[k].ids, all[0][k].ids) << precision << " " << rows;
    }
  }
}

}  // namespace
}  // namespace glm
