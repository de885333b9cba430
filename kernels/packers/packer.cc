#include "kernels/packers/packer.h"

#include <ATen/ATen.h>

namespace glm {

namespace {

// The eight nibbles of a step, from the lowest: the row half changes first, then the word, then the column.
const std::vector<int64_t> kNibbles = {kTile, kBlock, kRow, kQuarter, kStep, kColumn, kWord, kHalf};

// Of bytes the steps are split into two halves first, which makes nine dimensions: the step is 5 and 6 then, the word
// 7, the column 8.
const std::vector<int64_t> kBytes = {0, 3, 5, 2, 4, 6, 7, 8, 1};

}  // namespace

at::Tensor split_columns(const at::Tensor& tiles) {
  return tiles.unflatten(-1, {tiles.size(-1) / cuda::kBlockInner, 4, 4, 2, 2});
}

at::Tensor join_columns(const at::Tensor& permuted, const std::vector<int64_t>& order, at::IntArrayRef shape) {
  const at::Tensor sizes = split_columns(at::empty({1}, at::kByte).expand(shape)).permute(order);  // no memory is used
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return permuted.view(sizes.sizes()).permute(back).flatten(3);
}

at::Tensor pack_bytes(const at::Tensor& bytes) {
  return split_columns(bytes).unflatten(kStep, {2, 2}).permute(kBytes).contiguous();
}

at::Tensor unpack_bytes(const at::Tensor& packed, at::IntArrayRef shape) {
  const at::Tensor sizes = split_columns(at::empty({1}, at::kByte).expand(shape)).unflatten(kStep, {2, 2});
  std::vector<int64_t> back(kBytes.size());
  for (size_t i = 0; i < kBytes.size(); ++i) back[static_cast<size_t>(kBytes[i])] = static_cast<int64_t>(i);
  return packed.view(sizes.permute(kBytes).sizes()).permute(back).flatten(3).contiguous();
}

at::Tensor pack_nibbles(const at::Tensor& values) {
  const auto pairs = split_columns(values).permute(kNibbles).contiguous().view({-1, 2}).unbind(1);
  return pairs[0].bitwise_or(pairs[1].bitwise_left_shift(4));
}

at::Tensor unpack_nibbles(const at::Tensor& packed, at::IntArrayRef shape) {
  const at::Tensor parted = at::stack({packed.bitwise_and(15), packed.bitwise_right_shift(4)}, -1);
  return join_columns(parted.flatten(), kNibbles, shape);
}

at::Tensor low_bits(const at::Tensor& numbers) {
  return numbers.contiguous().view(at::kShort).to(at::kInt).bitwise_and(0xFFFF);
}

}  // namespace glm
