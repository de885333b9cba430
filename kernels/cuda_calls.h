// Contract: what each caller of our CUDA kernels needs between LibTorch and the kernels' library.
// Roofline: none; these run on the host and compute nothing.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace glm {

// Returns the device's current CUDA stream. Returns null for the CPU, where tests run the kernels' bodies.
void* current_stream(c10::Device device);

// Looks at the text that a function of the library has returned. If it isn't null, throws Error(memory) when the GPU's
// memory is too small, and otherwise Error(internal).
void check_cuda_call(const char* wrong);

// The library's parameters are int. Whoever calls it has checked the sizes.
inline int narrow(int64_t value) {
  return static_cast<int>(value);
}

}  // namespace glm
