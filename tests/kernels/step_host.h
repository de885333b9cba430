// The calls of a step on the host: the bodies of kernels/cuda over simt_host.h, as one launch of blocks that wait for
// each other.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/library.h"

namespace glm {

struct HostStep {
  int blocks = 3;
  int teams = 2;       // of a block: 1 or 2
  uint64_t order = 0;  // simt::Launch's
};

// Runs the calls as one launch. Each call has to be a part of a step, and all products have to have the same format.
// Throws std::runtime_error as simt::launch does.
void run_step(const std::vector<cuda::Call>& calls, const HostStep& how);

// Runs any calls, each as a launch of its own.
void run_calls(const std::vector<cuda::Call>& calls, const HostStep& how);

}  // namespace glm
