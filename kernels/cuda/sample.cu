// clang-format would sort these, but simt_device.cuh comes first: the others use its names.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sampling.cuh"
// clang-format on

namespace glm::cuda {
namespace {

__global__ void __launch_bounds__(kSampleThreads) sample_kernel(const __grid_constant__ SampleParams p) {
  sample(p);
}

}  // namespace

cudaError_t launch_sample(const SampleParams& p, const Launch& l) {
  const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(sample_kernel),
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize, kSampleSharedBytes);
  if (error != cudaSuccess) return error;
  // This asks for as much shared memory as a step's launch has: a multiprocessor has to be empty to change it.
  const cudaError_t hint =
      cudaFuncSetAttribute(reinterpret_cast<const void*>(sample_kernel), cudaFuncAttributePreferredSharedMemoryCarveout,
                           cudaSharedmemCarveoutMaxShared);
  if (hint != cudaSuccess) cudaGetLastError();  // otherwise it would count as the launch's error
  sample_kernel<<<dim3(static_cast<unsigned>(p.batch)), kSampleThreads, kSampleSharedBytes, l.stream>>>(p);
  return cudaGetLastError();
}

}  // namespace glm::cuda
