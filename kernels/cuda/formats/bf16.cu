// clang-format sorts includes, and the machine's names come first.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/step_launch.cuh"
// clang-format on

namespace glm::cuda {

cudaError_t launch_step_bf16(const StepParams& p, int columns, const Launch& l) {
  return launch_step<Bf16Format>(p, columns, l);
}

}  // namespace glm::cuda
