// The kernels between the products of a token's step.

// clang-format sorts includes, and the machine's names come first.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/norm.cuh"
#include "kernels/cuda/sampling.cuh"
// clang-format on

namespace glm::cuda {
namespace {

// Hopper and newer run it beside other kernels; before, more registers than that leaves are worth more.
#if __CUDA_ARCH__ >= 900
constexpr int kAttentionBlocks = 3;
#else
constexpr int kAttentionBlocks = 2;
#endif

__global__ void __launch_bounds__(kAttentionThreads, kAttentionBlocks) attention_kernel(const __grid_constant__ AttentionParams p) {
  attention(p);
}
template <int kVectors>
__global__ void __launch_bounds__(kNormThreads, kVectors <= 2 ? 2 : 1)
    norm_kernel(const __grid_constant__ NormParams p) {
  norm<kVectors>(p);
}
__global__ void __launch_bounds__(kSampleThreads) sample_kernel(const __grid_constant__ SampleParams p) {
  sample(p);
}

}  // namespace

cudaError_t launch_attention(const AttentionParams& p, const Launch& l) {
  const dim3 grid(static_cast<unsigned>(p.chunks), static_cast<unsigned>(p.kv_heads), static_cast<unsigned>(p.batch));
  return launch(attention_kernel, p, {grid, kAttentionThreads, kAttentionSharedBytes}, l);
}

cudaError_t launch_norm(const NormParams& p, const Launch& l) {
  return launch(p.dim <= 4 * 4 * kNormThreads ? norm_kernel<4> : norm_kernel<8>, p,
                {dim3(static_cast<unsigned>(p.batch)), kNormThreads, kNormSharedBytes}, l);
}

cudaError_t launch_sample(const SampleParams& p, const Launch& l) {
  return launch(sample_kernel, p, {dim3(static_cast<unsigned>(p.batch)), kSampleThreads, kSampleSharedBytes}, l);
}

}  // namespace glm::cuda
