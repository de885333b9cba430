#include "kernels/cuda_calls.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <string>

#include "glm/error.h"

namespace glm {

void* current_stream(c10::Device device) {
  return device.is_cpu() ? nullptr : c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

void check_cuda_call(const char* wrong) {
  if (wrong == nullptr) return;
  const std::string what = wrong;
  if (what.find("cudaErrorMemoryAllocation") != std::string::npos) {
    throw Error(ErrorCode::memory, "out of GPU memory: " + what + "; try fewer pictures at once, or a smaller size");
  }
  throw Error(ErrorCode::internal, "one of our CUDA kernels failed: " + what + "; --kernels off works without them");
}

}  // namespace glm
