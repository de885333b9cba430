// What this machine can compute on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct DeviceInfo {
  std::string name;        // as --device and LoadOptions take it: "cpu", "cuda:0"
  std::string product;     // "NVIDIA H100 80GB HBM3"
  int64_t memory = 0;      // bytes in all
  int64_t cores = 0;       // CPU: those that this process may use; GPU: multiprocessors
  int capability = 0;      // GPU: 10 * major + minor, such as 90; CPU: 0
  int driver = 0;          // GPU: the newest CUDA that its driver supports, 1000 * major + 10 * minor; CPU: 0
  std::string problem;     // why it can't be used; empty when it can
  bool automatic = false;  // "auto" takes this one
};

// Returns the CPU, then each GPU, or a "cuda" with the problem where the driver can't list them. Where there is a GPU,
// it loads LibTorch's CUDA library to see whether that GPU can be used. Reports no error; may be called from any
// thread.
GLM_API std::vector<DeviceInfo> devices();

}  // namespace glm
