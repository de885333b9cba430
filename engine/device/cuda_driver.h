// The GPUs that the driver knows, found without LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glm {

struct CudaDevice {
  int index = 0;
  std::string name;
  int64_t memory = 0;  // bytes
  int major = 0;       // the compute capability is major.minor
  int minor = 0;
  int multiprocessors = 0;
  int driver = 0;  // the newest CUDA that the driver knows: 1000 * major + 10 * minor
};

// Returns the driver's GPUs in its order. There are none without a driver, or when one of them doesn't answer. Throws
// nothing.
std::vector<CudaDevice> cuda_devices();

}  // namespace glm
