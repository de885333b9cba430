// int4: a bf16 scale and a whole zero for each 128 columns of a row. The group's lowest value, or 0 if that is lower,
// has code 0; its highest, or 0, has code 15.
#include <ATen/ATen.h>

#include "kernels/packers/packer.h"
#include "kernels/quantiser.h"

namespace glm {
namespace {

using cuda::kGroupInner;

}  // namespace

PackedTensors pack(cuda::Int4Format /*row*/, const at::Tensor& tiles) {
  const FourBits four = four_bits(tiles.to(at::kFloat).unflatten(-1, {-1, kGroupInner}));
  return {pack_nibbles(four.codes.flatten(3)),
          {},
          low_bits(four.scales)
              .bitwise_or(low_bits(four.zeros).bitwise_left_shift(16))
              .permute({0, 3, 2, 1})  // [tiles, groups, 8, 2]
              .contiguous()};
}

at::Tensor unpack(cuda::Int4Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  const at::Tensor codes = unpack_nibbles(packed.tiles, shape);
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
