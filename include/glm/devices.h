// What this machine has to compute on. Public; no LibTorch type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct DeviceInfo {
  std::string name;        // as --device and LoadOptions take it: "cpu", "cuda:0"
  std::string product;     // "NVIDIA H100 80GB HBM3"
  int64_t memory = 0;      // bytes
  int64_t cores = 0;       // of a GPU its multiprocessors
  int capability = 0;      // of a GPU, 10 * major + minor: 90
  int driver = 0;          // of a GPU, the newest CUDA that its driver knows: 1000 * major + 10 * minor
  std::string problem;     // why it can't be used; empty when it can
  bool automatic = false;  // what "auto" takes
};

// The CPU, then each GPU. Loads LibTorch's CUDA library when there is a GPU, to see whether it can be used. Throws
// nothing.
GLM_API std::vector<DeviceInfo> devices();

}  // namespace glm
