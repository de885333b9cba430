#include "kernels/packers/packer.h"

#include <ATen/ATen.h>

namespace glm {

at::Tensor split_columns(const at::Tensor& tiles) {
  return tiles.unflatten(-1, {tiles.size(-1) / cuda::kBlockInner, 4, 4, 2, 2});
}

at::Tensor join_columns(const at::Tensor& permuted, const std::vector<int64_t>& order, at::IntArrayRef shape) {
  const at::Tensor sizes = split_columns(at::empty({1}, at::kByte).expand(shape)).permute(order);  // no memory is used
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return permuted.view(sizes.sizes()).permute(back).flatten(3);
}

}  // namespace glm
