// The kernels of the diffusion transformer and the VAE against ATen, at sizes with every kind of edge. The same checks
// run with the bodies on the host and with the library on a GPU. Failures are gtest's.
#pragma once

#include <c10/core/Device.h>

#include "kernels/cuda/library.h"

namespace glm {

void check_modulations(const cuda::Library& library, at::Device device);
void check_heads(const cuda::Library& library, at::Device device);
void check_group_norms(const cuda::Library& library, at::Device device);

// Sizes that the kernels don't take are ATen's, bit for bit.
void check_other_sizes(const cuda::Library& library, at::Device device);

}  // namespace glm
