// The kernels that were built, and which of them this processor can run. The build takes processor_x86.cc or
// processor_other.cc.
#pragma once

#include <vector>

#include "kernels/host/host_kernels.h"

namespace glm::host {

extern const Kernels kPlain;
extern const Kernels kAvx2;    // on x86 alone
extern const Kernels kAvx512;  // likewise

// Returns those that this processor can run, the fastest first.
std::vector<const Kernels*> runnable_kernels();

// Says whether this processor has instructions for products in bf16, which LibTorch makes use of.
bool multiplies_bf16();

}  // namespace glm::host
