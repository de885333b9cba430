// The kernels of the diffusion transformer and the VAE on the card, against ATen.
#include "tests/gpu/gpu_test.h"
#include "tests/kernels/decoder_checks.h"

namespace glm {
namespace {

using DecoderOnGpu = GpuTest;

TEST_F(DecoderOnGpu, AddsNormsAndModulates) {
  check_modulations(*gpu().library, gpu().device);
}

TEST_F(DecoderOnGpu, NormsAndRotatesHeads) {
  check_heads(*gpu().library, gpu().device);
}

TEST_F(DecoderOnGpu, NormsGroupsOfChannels) {
  check_group_norms(*gpu().library, gpu().device);
}

TEST_F(DecoderOnGpu, LeavesOtherSizesToAten) {
  check_other_sizes(*gpu().library, gpu().device);
}

}  // namespace
}  // namespace glm
