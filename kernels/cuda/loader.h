// Finds the shared library of our CUDA kernels.
#pragma once

#include <string>

#include "kernels/cuda/library.h"

namespace glm::cuda {

struct Loaded {
  const Library* library;  // null when there is none
  std::string why_not;     // what was looked for and what was found, when there is none
};

// Loads libglm_cuda.so, once in a process: from beside the program, or from where the dynamic loader looks. Threads may
// call it at the same time.
const Loaded& load_library();

}  // namespace glm::cuda
