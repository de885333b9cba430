// The kernels of one weight format. Include after simt_device.cuh.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <typename F, int kColumns>
__global__ void __maxnreg__((Turn<F, kColumns>::kRegisters)) linear_kernel(const __grid_constant__ LinearParams p) {
  linear<F, kColumns>(p);
}

template <typename F>
cudaError_t launch_linear(const LinearParams& p, const Launch& l) {
  const int units = p.weight.rows / kTileRows * p.splits;
  const int most = l.multiprocessors * Turn<F, 1>::kBlocksPerProcessor;
  const int blocks = units < most ? units : most;
  const Shape shape{.grid = dim3(static_cast<unsigned>(blocks)),
                    .threads = kLinearThreads,
                    .shared_bytes = linear_shared_bytes<F>(p, blocks)};
  return launch(p.batch <= 8 ? linear_kernel<F, 1> : linear_kernel<F, 2>, p, shape, l);
}

}  // namespace glm::cuda
