#include "kernels/modulation.h"

#include <ATen/ATen.h>

namespace glm {

at::Tensor norm_modulate(const at::Tensor& x, const std::vector<RowGroup>& groups, const at::Tensor& scale,
                         const at::Tensor& shift, double eps) {
  at::Tensor y = at::layer_norm(x, {x.size(-1)}, {}, {}, eps);
  for (const RowGroup& group : groups) {
    y.slice(0, group.begin, group.end).mul_(1 + scale[group.modulation]).add_(shift[group.modulation]);
  }
  return y;
}

at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const std::vector<RowGroup>& groups,
                     const at::Tensor& gate) {
  at::Tensor gated = at::empty_like(y);
  for (const RowGroup& group : groups) {
    at::Tensor rows = gated.slice(0, group.begin, group.end);
    at::mul_out(rows, y.slice(0, group.begin, group.end), gate[group.modulation]);
  }
  return gated.add_(x);
}

}  // namespace glm
