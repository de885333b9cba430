// The library of our CUDA kernels on the host: the kernels' bodies over simt_host.h, behind the library's own
// interface. So the code that plans passes for a GPU runs without one.
#pragma once

#include "kernels/cuda/library.h"

namespace glm {

const cuda::Library& host_library();

}  // namespace glm
