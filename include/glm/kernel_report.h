// Checks our CUDA kernels on a GPU.
#pragma once

#include <string>

#include "glm/api.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// Returns what checking our kernels on a GPU has shown; LoadOptions::kernels = "auto" decides by the same report.
// The result is read from a cache. The check runs (under 3 s) when this build has no result for this GPU yet, and with
// check_again. device: "cuda", "cuda:N" or "auto". Throws Error(usage) for another name, and Error(device) when there
// is no GPU, when our kernels weren't built, and when one of them faults: this process can't use the GPU after that.
GLM_API KernelReport kernel_report(const std::string& device, bool check_again);

}  // namespace glm
