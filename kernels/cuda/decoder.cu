// clang-format would sort these, but simt_device.cuh comes first: the others use its names.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/group_norm.cuh"
#include "kernels/cuda/heads.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/modulate.cuh"
// clang-format on

namespace glm::cuda {
namespace {

constexpr unsigned kBlocksOfAMultiprocessor = 8;

template <int kVectors>
__global__ void __launch_bounds__(kRowThreads) modulate_kernel(const __grid_constant__ ModulateParams p) {
  modulate<kVectors>(p);
}

__global__ void __launch_bounds__(kRowThreads) heads_kernel(const __grid_constant__ HeadsParams p) {
  heads(p);
}

__global__ void __launch_bounds__(kRowThreads) chunk_kernel(const __grid_constant__ GroupNormParams p) {
  chunk_statistics(p);
}
__global__ void __launch_bounds__(kRowThreads) picture_kernel(const __grid_constant__ GroupNormParams p) {
  picture_statistics(p);
}
__global__ void __launch_bounds__(kRowThreads) group_norm_kernel(const __grid_constant__ GroupNormParams p) {
  group_norm(p);
}

// As many blocks as there is work for, up to a few on each multiprocessor.
dim3 blocks_for(int64_t work, const Launch& l) {
  const int64_t most = static_cast<int64_t>(l.device.multiprocessors) * kBlocksOfAMultiprocessor;
  return dim3(static_cast<unsigned>(work < most ? work : most));
}

dim3 chunks_of(const GroupNormParams& p) {
  return dim3(static_cast<unsigned>(group_norm_chunks(p.pixels)), static_cast<unsigned>(p.pictures));
}

}  // namespace

cudaError_t launch_modulate(const ModulateParams& p, const Launch& l) {
  constexpr int kSharedBytes = kSumSlots * sizeof(float);
  const dim3 blocks = blocks_for(p.rows, l);
  switch (vectors_of(p.dim)) {
    case 1:
      modulate_kernel<1><<<blocks, kRowThreads, kSharedBytes, l.stream>>>(p);
      break;
    case 2:
      modulate_kernel<2><<<blocks, kRowThreads, kSharedBytes, l.stream>>>(p);
      break;
    default:
      modulate_kernel<4><<<blocks, kRowThreads, kSharedBytes, l.stream>>>(p);
  }
  return cudaGetLastError();
}

cudaError_t launch_heads(const HeadsParams& p, const Launch& l) {
  const int64_t heads_of_block = kRowThreads / (p.head / kVector);
  const int64_t all = static_cast<int64_t>(p.rows) * 2 * p.heads;
  heads_kernel<<<blocks_for((all + heads_of_block - 1) / heads_of_block, l), kRowThreads, 0, l.stream>>>(p);
  return cudaGetLastError();
}

cudaError_t launch_statistics(const GroupNormParams& p, const Launch& l) {
  chunk_kernel<<<chunks_of(p), kRowThreads, 2 * kRowThreads * sizeof(Moments), l.stream>>>(p);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) return error;
  picture_kernel<<<dim3(static_cast<unsigned>(p.pictures)), kRowThreads, kRowThreads * sizeof(Moments), l.stream>>>(p);
  return cudaGetLastError();
}

cudaError_t launch_group_norm(const GroupNormParams& p, const Launch& l) {
  group_norm_kernel<<<chunks_of(p), kRowThreads, 0, l.stream>>>(p);
  return cudaGetLastError();
}

}  // namespace glm::cuda
