// `glm-image kernels`: what checking our CUDA kernels against LibTorch's has shown on this GPU.
#pragma once

#include <string>

namespace glm::cli {

// check: checks again even if there is an earlier result. Throws glm::Error.
void run_kernels(const std::string& device, bool check);

}  // namespace glm::cli
