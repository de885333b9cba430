// Contract: y = weight * cast(x * rsqrt(mean(x^2) + eps)), statistics and the product with rsqrt in fp32, rounded to
//   x's dtype before the weight is applied. Norm over the last dimension.
//   Upstream: GlmImageRMSNorm, T5LayerNorm.
// Roofline: memory; 2 * elements * dtype bytes. One token of the public prior: 8 KB, launch-bound.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

at::Tensor rms_norm(const at::Tensor& x,       // [..., D]
                    const at::Tensor& weight,  // [D]
                    double eps);

}  // namespace glm
