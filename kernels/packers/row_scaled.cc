// fp8 e4m3 and int8: a byte for each weight, and a scale for each row, whose largest value becomes 448 or 127.
#include <ATen/ATen.h>

#include "kernels/packers/packer.h"

namespace glm {
namespace {

// The steps are split into two halves first, which makes nine dimensions: the step is 5 and 6 then, the word 7, the
// column 8.
const std::vector<int64_t> kOrder = {0, 3, 5, 2, 4, 6, 7, 8, 1};

at::Tensor pack_bytes(const at::Tensor& bytes) {
  return split_columns(bytes).unflatten(kStep, {2, 2}).permute(kOrder).contiguous();
}

at::Tensor unpack_bytes(const at::Tensor& packed, at::IntArrayRef shape) {
  const at::Tensor sizes = split_columns(at::empty({1}, at::kByte).expand(shape)).unflatten(kStep, {2, 2});
  std::vector<int64_t> back(kOrder.size());
  for (size_t i = 0; i < kOrder.size(); ++i) back[static_cast<size_t>(kOrder[i])] = static_cast<int64_t>(i);
  return packed.view(sizes.permute(kOrder).sizes()).permute(back).flatten(3).contiguous();
}

struct Scaled {
  at::Tensor values;
  at::Tensor row_scales;  // [tiles, 2, 8, 1]
};

Scaled scaled_to(double largest, const at::Tensor& tiles) {
  const at::Tensor wide = tiles.to(at::kFloat);
  const at::Tensor scale = (wide.abs().amax(-1, /*keepdim=*/true) / largest).clamp_min(1e-30);
  return {wide / scale, scale};
}

at::Tensor unscaled(const at::Tensor& codes, const PackedTensors& packed) {
  return codes * packed.row_scales.view({-1, 2, 8, 1});
}

at::Tensor powers_of_two(WeightShape shape, const DrawWhole& whole) {
  return whole(1, 3, {shape.rows, 1}).mul_(0x1p-7);
}

}  // namespace

PackedTensors pack(cuda::Fp8Format /*row*/, const at::Tensor& tiles) {
  const Scaled s = scaled_to(448.0, tiles);
  return {pack_bytes(s.values.to(at::kFloat8_e4m3fn).view(at::kByte)), s.row_scales.flatten().contiguous(), {}};
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
  const Scaled s = scaled_to(127.0, tiles);
  return {pack_bytes((s.values.round() + 128).to(at::kByte)), s.row_scales.flatten().contiguous(), {}};
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
