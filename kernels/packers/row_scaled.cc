// fp8 e4m3 and int8: a byte for each weight, and a scale for each row, whose largest value becomes 448 or 127.
#include <ATen/ATen.h>

#include "kernels/packers/packer.h"
#include "kernels/quantiser.h"

namespace glm {
namespace {

at::Tensor unscaled(const at::Tensor& codes, const PackedTensors& packed) {
  return codes * packed.row_scales.view({-1, 2, 8, 1});
}

at::Tensor powers_of_two(WeightShape shape, const DrawWhole& whole) {
  return whole(1, 3, {shape.rows, 1}).mul_(0x1p-7);
}

}  // namespace

PackedTensors pack(cuda::Fp8Format /*row*/, const at::Tensor& tiles) {
  const ScaledRows s = scaled_rows(tiles, 448.0);
  return {pack_bytes(s.values.to(at::kFloat8_e4m3fn).view(at::kByte)), s.scales.flatten().contiguous(), {}};
}

at::Tensor unpack(cuda::Fp8Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  return unscaled(unpack_bytes(packed.tiles, shape).view(at::kFloat8_e4m3fn).to(at::kFloat), packed);
}

at::Tensor exact_weight(cuda::Fp8Format /*row*/, WeightShape shape, const DrawWhole& whole) {
  const at::Tensor bits = whole(0, 254, {shape.rows, shape.inner}).to(at::kByte);  // 0x7F is NaN, and so is 0xFF
  const at::Tensor codes = bits.masked_fill(bits == 0x7F, 0).view(at::kFloat8_e4m3fn).to(at::kFloat);
  codes.select(1, 0).fill_(448);
  return codes.mul(powers_of_two(shape, whole));
}

PackedTensors pack(cuda::Int8Format /*row*/, const at::Tensor& tiles) {
  const ScaledRows s = scaled_rows(tiles, 127.0);
  return {pack_bytes((s.values.round() + 128).to(at::kByte)), s.scales.flatten().contiguous(), {}};
}

at::Tensor unpack(cuda::Int8Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  return unscaled(unpack_bytes(packed.tiles, shape).to(at::kFloat) - 128, packed);
}

at::Tensor exact_weight(cuda::Int8Format /*row*/, WeightShape shape, const DrawWhole& whole) {
  const at::Tensor codes = whole(-127, 128, {shape.rows, shape.inner});
  codes.select(1, shape.inner - 1).fill_(-127);
  return codes.mul(powers_of_two(shape, whole));
}

}  // namespace glm
