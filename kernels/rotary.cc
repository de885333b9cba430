#include "kernels/rotary.h"

#include <ATen/ATen.h>

namespace glm {

RotaryTable RotaryTable::rows(int64_t begin, int64_t end) const {
  return {cos.slice(0, begin, end), sin.slice(0, begin, end)};
}

at::Tensor rotate(const at::Tensor& x, const RotaryTable& table) {
  const int64_t rotary = table.cos.size(-1);
  const at::Tensor rotated = x.slice(-1, 0, rotary).to(table.cos.scalar_type());
  const at::Tensor half = at::cat({-rotated.slice(-1, rotary / 2), rotated.slice(-1, 0, rotary / 2)}, -1);
  const at::Tensor cos = table.cos.unsqueeze(-2);  // [L, 1, R]: the same for every head
  const at::Tensor sin = table.sin.unsqueeze(-2);
  const at::Tensor result = (rotated * cos + half * sin).to(x.scalar_type());
  return rotary == x.size(-1) ? result : at::cat({result, x.slice(-1, rotary)}, -1);
}

}  // namespace glm
