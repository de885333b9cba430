// The GPUs, as the driver tells of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glm {

struct CudaDevice {
  int index = 0;
  std::string name;
  int64_t memory = 0;  // bytes
  int major = 0;       // of the compute capability
  int minor = 0;
  int multiprocessors = 0;
  int driver = 0;  // the newest CUDA that the driver knows: 1000 * major + 10 * minor
};

// What the driver tells; none without a driver. Throws nothing.
std::vector<CudaDevice> cuda_devices();

}  // namespace glm
