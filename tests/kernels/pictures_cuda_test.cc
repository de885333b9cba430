// Pictures by the decoder's CUDA kernels on the host: their bodies between the products of the diffusion transformer
// and of the VAE.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/components/vae.h"
#include "engine/run/model.h"
#include "engine/run/picture_run.h"
#include "tests/engine/bfloat16_picture.h"
#include "tests/kernels/host_library.h"
#include "tests/support/checkpoints.h"
#include "tests/support/tolerance.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using PicturesOfBodies = Bfloat16Picture;

TEST_P(PicturesOfBodies, AreUpstreams) {
  const cuda::Library& library = host_library();
  const auto launches = [&] {
    return library.launches(cuda::Kernel::modulate) + library.launches(cuda::Kernel::group_norm);
  };
  const uint64_t before = launches();
  const Model own(model.folder, "bfloat16", at::kCPU, {.decoder = &library});
  CallCache cache{ReferenceStore(0), {}};
  compare_picture([&](const Request& request) { run_picture(own, cache, request, {}); });
  EXPECT_GT(launches(), before);
}

INSTANTIATE_TEST_SUITE_P(Upstream, PicturesOfBodies, testing::ValuesIn(bfloat16_cases()), case_name);

// A large picture is decoded in bands. The test decodes a small one in bands and in one piece. The two results may
// differ by as much as a picture in bf16 may differ from upstream's.
TEST(PixelsOfBodies, InBandsAreAsClose) {
  const fs::path folder = checkpoint_folder("k");
  const VaeConfig config = ModelConfig(folder).vae;
  const at::Tensor latents =
      at::randn({2, config.latent_channels, 24, 20}, at::detail::createCPUGenerator(7)).to(at::kBFloat16);
  const auto decoded = [&](int64_t band_bytes) {
    const Weights weights(folder / "vae", at::kBFloat16);
    return VaeDecoder(weights, config, DecoderKernels(&host_library(), band_bytes)).decode(latents);
  };
  const uint64_t before = host_library().launches(cuda::Kernel::group_statistics);
  const at::Tensor whole = decoded(kBandBytes).to(at::kDouble);
  const uint64_t in_one = host_library().launches(cuda::Kernel::group_statistics) - before;
  const at::Tensor apart = decoded(4096).to(at::kDouble) - whole;
  EXPECT_GT(host_library().launches(cuda::Kernel::group_statistics) - before, 2 * in_one) << "no bands";
  EXPECT_GE(10 * std::log10(4 / apart.square().mean().item<double>()), tolerance::kBf16Psnr);  // -1 .. 1
}

}  // namespace
}  // namespace glm
