// Contract: layer norm without affine, then a scale and a shift that all rows of a group share; and the gated residual.
//   norm_modulate: y = layer_norm(x) * (1 + scale) + shift, each operation rounded to x's dtype.
//   add_gated:     x + y * gate.
//   Upstream: GlmImageAdaLayerNormZero, GlmImageAdaLayerNormContinuous, GlmImageTransformerBlock.forward.
// Roofline: memory; 2 and 3 * rows * D * dtype bytes. Both branches at 1024x1024: 0.27 GB a block once fused.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace glm {

// Rows [begin, end) of the packed rows use row `modulation` of the tables.
struct RowGroup {
  int64_t begin;
  int64_t end;
  int64_t modulation;
};

at::Tensor norm_modulate(const at::Tensor& x,                  // [R, D]
                         const std::vector<RowGroup>& groups,  // cover all of R
                         const at::Tensor& scale,              // [G, D]
                         const at::Tensor& shift,              // [G, D]
                         double eps);                          // -> [R, D]

at::Tensor add_gated(const at::Tensor& x,                  // [R, D]
                     const at::Tensor& y,                  // [R, D]
                     const std::vector<RowGroup>& groups,  // cover all of R
                     const at::Tensor& gate);              // [G, D] -> [R, D]

}  // namespace glm
