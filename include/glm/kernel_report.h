// Checks our CUDA kernels on a GPU. Public; no LibTorch type.
#pragma once

#include <string>

#include "glm/api.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// Of this GPU ("cuda", "cuda:N", "auto"), as --kernels auto knows it: checked (under 3 s) when this build hasn't met
// it, or with check_again. Throws Error(usage) for another name, Error(device) without a GPU or our kernels, and when
// they fault: the process's GPU is lost then.
GLM_API KernelReport kernel_report(const std::string& device, bool check_again);

}  // namespace glm
