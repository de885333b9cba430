// int4: a bf16 scale and a whole zero for each 128 columns of a row. The group's lowest value, or 0 if that is lower,
// has code 0; its highest, or 0, has code 15.
#include <ATen/ATen.h>

#include "kernels/packers/packer.h"

namespace glm {
namespace {

using cuda::kGroupInner;

// The eight nibbles of a step, from the lowest: the row half changes first, then the word, then the column.
const std::vector<int64_t> kOrder = {kTile, kBlock, kRow, kQuarter, kStep, kColumn, kWord, kHalf};

// Puts two values below 16 into a byte, the first into the low half; and takes them apart again.
at::Tensor join_nibbles(const at::Tensor& values) {
  const auto pairs = values.contiguous().view({-1, 2}).unbind(1);
  return pairs[0].bitwise_or(pairs[1].bitwise_left_shift(4));
}
at::Tensor part_nibbles(const at::Tensor& bytes) {
  return at::stack({bytes.bitwise_and(15), bytes.bitwise_right_shift(4)}, -1).flatten();
}

// A bf16's bits in the low half of an i32, whose high half is empty.
at::Tensor bits(const at::Tensor& bf16) {
  return bf16.contiguous().view(at::kShort).to(at::kInt).bitwise_and(0xFFFF);
}

}  // namespace

PackedTensors pack(cuda::Int4Format /*row*/, const at::Tensor& tiles) {
  const at::Tensor groups = tiles.to(at::kFloat).unflatten(-1, {-1, kGroupInner});
  const at::Tensor lowest = groups.amin(-1).clamp_max(0);
  const at::Tensor scale = ((groups.amax(-1).clamp_min(0) - lowest) / 15).clamp_min(1e-30).to(at::kBFloat16);
  const at::Tensor zero = (-lowest / scale).round().clamp(0, 15);
  const at::Tensor values =
      (groups / scale.unsqueeze(-1) + zero.unsqueeze(-1)).round().clamp(0, 15).to(at::kByte).flatten(3);
  return {join_nibbles(split_columns(values).permute(kOrder)),
          {},
          bits(scale)
              .bitwise_or(bits(zero.to(at::kBFloat16)).bitwise_left_shift(16))
              .permute({0, 3, 2, 1})  // [tiles, groups, 8, 2]
              .contiguous()};
}

at::Tensor unpack(cuda::Int4Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  const at::Tensor codes = join_columns(part_nibbles(packed.tiles), kOrder, shape);
  const at::Tensor pair = packed.group_scales.permute({0, 3, 2, 1}).unsqueeze(-1);  // [tiles, 2, 8, groups, 1]
  const at::Tensor scale = pair.bitwise_left_shift(16).contiguous().view(at::kFloat);
  const at::Tensor zero = pair.bitwise_and(-65536).contiguous().view(at::kFloat);
  return ((codes.unflatten(-1, {-1, kGroupInner}).to(at::kFloat) - zero) * scale).flatten(3);
}

at::Tensor exact_weight(cuda::Int4Format /*row*/, WeightShape shape, const DrawWhole& whole) {
  const int64_t groups = shape.inner / kGroupInner;
  const at::Tensor codes = whole(0, 16, {shape.rows, groups, kGroupInner});
  codes.select(2, 5).fill_(0);
  codes.select(2, 77).fill_(15);
  const at::Tensor powers = whole(1, 3, {shape.rows, groups, 1}).mul_(0x1p-7);
  return codes.sub(whole(0, 16, {shape.rows, groups, 1})).mul_(powers).flatten(1);
}

}  // namespace glm
