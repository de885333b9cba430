// Contract: rotates the first R of the last dimension's features by pairs (i, i + R/2):
//   y = x * cos + rotate_half(x) * sin, computed in the tables' dtype and rounded to x's. The other features stay.
//   Upstream: apply_rotary_pos_emb (tables in the activation dtype), apply_rotary_emb with use_real_unbind_dim=-2
//   (tables in fp32): the tables' dtype is the whole difference.
// Roofline: memory; 2 * elements * dtype bytes. 8,192 image rows of 4,096: 134 MB, fused into the projection's
//   epilogue.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

struct RotaryTable {
  at::Tensor cos;  // [L, R]
  at::Tensor sin;  // [L, R]

  RotaryTable rows(int64_t begin, int64_t end) const;  // rows [begin, end), as a view
};

at::Tensor rotate(const at::Tensor& x,  // [..., L, heads, head]
                  const RotaryTable& table);

}  // namespace glm
