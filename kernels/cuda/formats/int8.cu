// clang-format sorts includes, and the machine's names come first.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/linear_launch.cuh"
// clang-format on

namespace glm::cuda {

cudaError_t launch_linear_int8(const LinearParams& p, const Launch& l) {
  return launch_linear<Int8Format>(p, l);
}

}  // namespace glm::cuda
