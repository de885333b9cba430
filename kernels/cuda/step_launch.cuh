// The kernels of one weight format. Include after simt_device.cuh.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/step.cuh"

namespace glm::cuda {

#ifdef __CUDA_ARCH__
constexpr int kTeams = teams_of(__CUDA_ARCH__);
#else
constexpr int kTeams = 1;
#endif

template <typename F, int kColumns>
__global__ void __launch_bounds__(kTeams* kThreads, 1) step_kernel(const __grid_constant__ StepParams p) {
#ifdef __CUDA_ARCH__
  step<F, kColumns, queue_bytes(__CUDA_ARCH__), kTeams>(p);
#endif
}

template <typename F>
cudaError_t launch_step(const StepParams& p, int columns, const Launch& l) {
  const auto kernel = columns == 1 ? step_kernel<F, 1> : step_kernel<F, 2>;
  const int shared_bytes = shared_bytes_of(l.device.arch);
  const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (error != cudaSuccess) return error;
  cudaLaunchAttribute together{};
  together.id = cudaLaunchAttributeCooperative;  // all blocks run at once, or it is an error
  together.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(l.device.multiprocessors));
  config.blockDim = dim3(kThreads, static_cast<unsigned>(teams_of(l.device.arch)));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = l.stream;
  config.attrs = &together;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, p);
}

}  // namespace glm::cuda
