// A launch with its attributes, checked.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/library.h"

namespace glm::cuda {

struct Launch {
  cudaStream_t stream;
  bool overlap;  // with the kernel before it
  int multiprocessors;
};

struct Shape {
  dim3 grid;
  int threads;
  int shared_bytes;
};

template <typename Params>
cudaError_t launch(void (*kernel)(Params), const Params& params, const Shape& shape, const Launch& l) {
  if (shape.shared_bytes > 48 * 1024) {
    const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                   cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes);
    if (error != cudaSuccess) return error;
  }
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = static_cast<size_t>(shape.shared_bytes);
  config.stream = l.stream;
  config.attrs = &attribute;
  config.numAttrs = l.overlap ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, params);
}

// One for each weight format, in a file of its own: they take longest to compile.
cudaError_t launch_linear_bf16(const LinearParams& p, const Launch& l);
cudaError_t launch_linear_fp8(const LinearParams& p, const Launch& l);
cudaError_t launch_linear_int8(const LinearParams& p, const Launch& l);
cudaError_t launch_linear_int4(const LinearParams& p, const Launch& l);
cudaError_t launch_attention(const AttentionParams& p, const Launch& l);
cudaError_t launch_norm(const NormParams& p, const Launch& l);
cudaError_t launch_sample(const SampleParams& p, const Launch& l);

}  // namespace glm::cuda
