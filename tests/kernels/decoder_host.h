// The kernels of the diffusion transformer and the VAE on the host: the bodies of kernels/cuda over simt_host.h. They
// throw std::runtime_error as simt::launch does.
#pragma once

#include <cstdint>

#include "kernels/cuda/decoder_parameters.h"

namespace glm {

// order: simt::Launch's
void run_modulate(const cuda::ModulateParams& p, uint64_t order = 0);
void run_norm_heads(const cuda::HeadsParams& p, uint64_t order = 0);
void run_group_statistics(const cuda::GroupNormParams& p, uint64_t order = 0);
void run_group_norm(const cuda::GroupNormParams& p, uint64_t order = 0);

}  // namespace glm
