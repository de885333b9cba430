// Latents to pixels.
#include "engine/components/vae.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

#include "engine/device/upload.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

using PixelsStage = StageTest;

TEST_P(PixelsStage, PixelsAreUpstreams) {
  const at::Tensor pixels = model.vae.decode(golden.tensor("latents.final_scaled"));
  EXPECT_TRUE(golden.matches("vae.decoded", pixels, tolerance::kStage));
  const at::Tensor levels =
      golden.same_elements("image", pixels_to_bytes(pixels)).to(at::kInt) - golden.kept("image").to(at::kInt);
  EXPECT_LE(levels.abs().max().item<int>(), tolerance::kPictureLevels);
}

// Tensors of more than 4 KB are computed in bands, which is what happens to those of more than 512 MiB.
using PixelsInBands = StageTest;

TEST_P(PixelsInBands, AreUpstreams) {
  const Weights weights(model.folder / "vae", at::kFloat,
                        test_device().is_cpu() ? nullptr : std::make_shared<Uploader>(test_device()));
  const VaeDecoder vae(weights, model.config.vae, DecoderKernels(nullptr, /*band_bytes=*/4096));
  const at::Tensor pixels = vae.decode(golden.tensor("latents.final_scaled"));
  EXPECT_TRUE(golden.matches("vae.decoded", pixels, tolerance::kStage));
  const at::Tensor levels = pixels_to_bytes(pixels).to(at::kInt) -
                            pixels_to_bytes(model.vae.decode(golden.tensor("latents.final_scaled"))).to(at::kInt);
  EXPECT_LE(levels.abs().max().item<int>(), tolerance::kPictureLevels);
}

INSTANTIATE_TEST_SUITE_P(Upstream, PixelsInBands, testing::ValuesIn(float32_cases({"latents.final_scaled"})),
                         case_name);

// Counts how many bytes this thread's tensors take on the CPU, and keeps the largest count.
class TensorBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*place*/, int64_t size, size_t /*all*/, size_t /*kept*/, c10::Device /*on*/) override {
    now += size;
    most = std::max(most, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t now = 0;
  int64_t most = 0;
};

// Returns the most bytes that the tensors take at once while a VAE in fp32 decodes latents of this size. The VAE has an
// eighth of the public model's channels. So a picture of 128x128 takes 1/1024 of the bytes that a picture of 2048x2048
// takes with the public model in bf16.
int64_t most_bytes_of(int64_t latents, int64_t band_bytes) {
  const VaeConfig config{.channels = {16, 64, 128, 128},
                         .layers_per_block = 3,
                         .latent_channels = 16,
                         .image_channels = 3,
                         .groups = 4,
                         .latents_mean = std::vector<double>(16, 0.0),
                         .latents_std = std::vector<double>(16, 1.0)};
  const VaeDecoder vae(Weights::random(at::kFloat, at::kCPU), config, DecoderKernels(nullptr, band_bytes));
  const auto bytes = std::make_shared<TensorBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, bytes);
  vae.decode(at::zeros({1, 16, latents, latents}));
  return bytes->most;
}

TEST(PixelsMemory, StaysSmallWhereAPictureIsLarge) {
  constexpr double kMega = 1024.0 * 1024.0;
  const auto megabytes = [](int64_t latents, int64_t band) {
    return static_cast<double>(most_bytes_of(latents, band)) / kMega;
  };
  const int64_t band = kBandBytes / 1024;
  EXPECT_LE(megabytes(16, band), 5.5);
  EXPECT_GT(megabytes(16, 1 << 30), 8) << "without bands";
  EXPECT_LE(megabytes(8, band), 2.3);
}

using VaeScaling = StageTest;

TEST_P(VaeScaling, ScalingIsUpstreams) {
  const std::string last = "step" + std::to_string(golden.parameters().at("steps").get<int64_t>() - 1) + ".latents";
  EXPECT_TRUE(golden.matches("latents.final_scaled", model.vae.denormalize(golden.tensor(last)), tolerance::kStage));
}

INSTANTIATE_TEST_SUITE_P(Upstream, PixelsStage, testing::ValuesIn(float32_cases({"latents.final_scaled"})), case_name);
// One step: what comes after it is scaled.
INSTANTIATE_TEST_SUITE_P(Upstream, VaeScaling, testing::ValuesIn(golden_cases([](const Golden& golden) {
                           return golden.parameters().at("dtype") == "float32" &&
                                  golden.whole("step" +
                                               std::to_string(golden.parameters().at("steps").get<int64_t>() - 1) +
                                               ".latents");
                         })),
                         case_name);

// Upstream rounds x * 255 half to even, after clamping.
TEST(PixelsToBytes, ClampsAndRoundsHalfToEven) {
  const std::vector<double> values = {-3.0, -1.0, 2 * 0.5 / 255 - 1, 2 * 1.5 / 255 - 1, 2 * 127.4 / 255 - 1, 1.0,
                                      7.0,  0.0,  2 * 2.6 / 255 - 1};
  const at::Tensor bytes = pixels_to_bytes(at::tensor(values, at::kDouble).view({1, 3, 1, 3}));
  EXPECT_TRUE(at::equal(bytes, at::tensor({0, 2, 255, 0, 127, 128, 0, 255, 3}, at::kByte).view({1, 1, 3, 3})));
}

}  // namespace
}  // namespace glm
