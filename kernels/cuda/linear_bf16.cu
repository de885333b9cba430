#include "kernels/cuda/simt_device.cuh"
// clang-format off: the machine's names come first
#include "kernels/cuda/linear_launch.cuh"

namespace glm::cuda {

cudaError_t launch_linear_bf16(const LinearParams& p, const Launch& l) {
  return launch_linear<Bf16Format>(p, l);
}

}  // namespace glm::cuda
