// These compare the kernels of the diffusion transformer and the VAE with ATen, at sizes with every kind of edge. Tests
// call them for the kernels' bodies on the host, and for the library on a GPU. Failures are gtest's.
#pragma once

#include <c10/core/Device.h>

#include "kernels/cuda/library.h"

namespace glm {

void check_modulations(const cuda::Library& library, at::Device device);
void check_heads(const cuda::Library& library, at::Device device);
void check_group_norms(const cuda::Library& library, at::Device device);

// Checks that ATen computes the sizes that the kernels don't take.
void check_other_sizes(const cuda::Library& library, at::Device device);

}  // namespace glm
