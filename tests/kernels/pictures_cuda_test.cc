// Pictures by the decoder's CUDA kernels on the host: their bodies between the products of the diffusion transformer
// and of the VAE.
#include <gtest/gtest.h>

#include "engine/run/model.h"
#include "engine/run/picture_run.h"
#include "tests/engine/bfloat16_picture.h"
#include "tests/kernels/host_library.h"

namespace glm {
namespace {

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

}  // namespace
}  // namespace glm
