// clang-format sorts includes, and the machine's names come first.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/step_launch.cuh"
// clang-format on

namespace glm::cuda {

cudaError_t launch_step_int4(const StepParams& p, int columns, const Launch& l) {
  return launch_step<Int4Format>(p, columns, l);
}

}  // namespace glm::cuda
