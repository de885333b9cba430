// kernels/cuda's modulate, heads and group_norm, run on the host.
#include <gtest/gtest.h>

#include "tests/kernels/decoder_checks.h"
#include "tests/kernels/host_library.h"

namespace glm {
namespace {

TEST(DecoderBodies, AddNormAndModulate) {
  check_modulations(host_library(), at::kCPU);
}

TEST(DecoderBodies, NormAndRotateHeads) {
  check_heads(host_library(), at::kCPU);
}

TEST(DecoderBodies, NormGroupsOfChannels) {
  check_group_norms(host_library(), at::kCPU);
}

TEST(DecoderBodies, LeaveOtherSizesToAten) {
  check_other_sizes(host_library(), at::kCPU);
}

}  // namespace
}  // namespace glm
