#include <ATen/ATen.h>

#include "kernels/packers/packer.h"

namespace glm {
namespace {

const std::vector<int64_t> kOrder = {kTile, kBlock, kStep, kRow, kQuarter, kWord, kHalf, kColumn};

}  // namespace

PackedTensors pack(cuda::Bf16Format /*row*/, const at::Tensor& tiles) {
  return {split_columns(tiles).permute(kOrder).to(at::kBFloat16).contiguous(), {}, {}};
}

at::Tensor unpack(cuda::Bf16Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  return join_columns(packed.tiles, kOrder, shape);
}

at::Tensor exact_weight(cuda::Bf16Format /*row*/, WeightShape shape, const DrawWhole& whole) {
  return whole(-255, 256, {shape.rows, shape.inner}).mul_(0x1p-7);  // eight bits, which a bf16 holds exactly
}

}  // namespace glm
