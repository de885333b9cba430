// Contract: y = x W^T + b. In bf16 each sum is fp32 and rounded once.
//   Upstream: torch.nn.functional.linear
// Roofline: memory for a few rows: out * in * dtype bytes; compute for many: 2 * rows * out * in.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

at::Tensor linear_layer(const at::Tensor& x,       // [..., in]
                        const at::Tensor& weight,  // [out, in]
                        const at::Tensor& bias);   // [out] or undefined -> [..., out]

}  // namespace glm
