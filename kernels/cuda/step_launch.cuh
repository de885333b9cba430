// The kernels of one weight format. Include after simt_device.cuh.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/step.cuh"

namespace glm::cuda {

#ifdef __CUDA_ARCH__
constexpr int kResident = blocks_per_processor(__CUDA_ARCH__);
#else
constexpr int kResident = 1;
#endif

template <typename F, int kColumns>
__global__ void __launch_bounds__(kThreads, kResident) step_kernel(const __grid_constant__ StepParams p) {
#ifdef __CUDA_ARCH__
  step<F, kColumns, queue_bytes(__CUDA_ARCH__)>(p);
#endif
}

template <typename F>
cudaError_t launch_step(const StepParams& p, int columns, const Launch& l) {
  const auto kernel = columns == 1 ? step_kernel<F, 1> : step_kernel<F, 2>;
  const int shared_bytes = step_shared_bytes(queue_bytes(l.device.arch));
  const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (error != cudaSuccess) return error;
  cudaLaunchAttribute together{};
  together.id = cudaLaunchAttributeCooperative;  // all blocks at once, or an error
  together.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  const int blocks = l.device.multiprocessors * blocks_per_processor(l.device.arch);
  config.gridDim = dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = l.stream;
  config.attrs = &together;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, p);
}

}  // namespace glm::cuda
