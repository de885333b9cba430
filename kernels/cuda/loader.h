// Finds the shared library of our CUDA kernels.
#pragma once

#include <string>

#include "kernels/cuda/library.h"

namespace glm::cuda {

struct Loaded {
  const Library* library;  // null when there is none
  std::string why_not;     // then: what was looked for and what was found
};

// Loads libglm_cuda.so from beside the program, or from where the loader looks; once in a process.
const Loaded& load_library();

}  // namespace glm::cuda
