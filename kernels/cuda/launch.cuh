// The functions that launch our kernels. launch_step() is compiled in a file of its own for each weight format, because
// compiling it takes longest.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/library.h"

namespace glm::cuda {

struct Device {
  int multiprocessors;
  int arch;  // 900 is sm_90
};

struct Launch {
  cudaStream_t stream;
  Device device;
};

struct StepParams;

// F is the format of the products' weights; formats/ has an instance of each. `columns` is 1 for up to 8 batch rows, 2
// for up to 16.
template <typename F>
cudaError_t launch_step(const StepParams& p, int columns, const Launch& l);
cudaError_t launch_sample(const SampleParams& p, const Launch& l);

cudaError_t launch_modulate(const ModulateParams& p, const Launch& l);
cudaError_t launch_heads(const HeadsParams& p, const Launch& l);
cudaError_t launch_statistics(const GroupNormParams& p, const Launch& l);
cudaError_t launch_group_norm(const GroupNormParams& p, const Launch& l);

}  // namespace glm::cuda
