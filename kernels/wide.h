// Contract: torch's linear and conv2d for tensors in bf16. On a CPU without AMX they are computed in fp32, and the
//   result is rounded once: there fp32 products are twice as fast as oneDNN's and MKL's in bf16. Everything else,
//   fp32 too, goes to ATen.
//   Upstream: torch.nn.Linear, torch.nn.Conv2d
// Roofline: compute.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

// Says whether products with this many rows of x are computed in fp32 instead of x's own type.
bool computes_wide(const at::Tensor& x, int64_t rows);

at::Tensor linear_layer(const at::Tensor& x,       // [..., in]
                        const at::Tensor& weight,  // [out, in]
                        const at::Tensor& bias);   // [out] or undefined -> [..., out]

// Keeps height and width: stride 1, and half a kernel of zeros on all sides.
at::Tensor convolve(const at::Tensor& x,       // [P, in, H, W]
                    const at::Tensor& weight,  // [out, in, kernel, kernel], the kernel odd
                    const at::Tensor& bias);   // [out] -> [P, out, H, W]

}  // namespace glm
