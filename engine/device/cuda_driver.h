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
  int driver = 0;       // the newest CUDA that the driver knows: 1000 * major + 10 * minor
  std::string problem;  // what the driver said when it was asked about this GPU; then the fields above may be missing
};

// Returns the driver's GPUs in its order. Where there is a driver that can't list them, *problem says why. Without a
// driver, or with one that has no GPU, it stays as it is. Throws nothing but std::bad_alloc.
std::vector<CudaDevice> cuda_devices(std::string* problem = nullptr);

}  // namespace glm
