// Contract: what a format's packer makes of a weight, and the way back; kernels/cuda/formats.h draws the order of the
//   elements. Tiles come as fp32 or bf16 [tiles, 2, 8, in]: the rows are in the order of the tiles, and the columns are
//   padded with zeros to a multiple of 64. unpack(pack(x)) is what the kernels compute with. exact_weight() draws a
//   weight that packing doesn't change.
// Roofline: memory; a weight is packed once per load.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "kernels/cuda/formats.h"

namespace glm {

struct PackedTensors {
  at::Tensor tiles;         // bytes, or bf16
  at::Tensor row_scales;    // fp32 [out] in packed order, or undefined
  at::Tensor group_scales;  // i32 [tiles, groups, 8, 2], or undefined
};

struct WeightShape {
  int64_t rows;
  int64_t inner;
};

// Draws whole numbers from low to high - 1, as fp32 of this shape.
using DrawWhole = std::function<at::Tensor(int64_t low, int64_t high, at::IntArrayRef shape)>;

// Each format's packer is a file beside this one. The `shape` is that of the tiles, [tiles, 2, 8, padded in].
#define GLM_ROW(name, Traits)                                                              \
  PackedTensors pack(cuda::Traits row, const at::Tensor& tiles);                           \
  at::Tensor unpack(cuda::Traits row, const PackedTensors& packed, at::IntArrayRef shape); \
  at::Tensor exact_weight(cuda::Traits row, WeightShape shape, const DrawWhole& whole);  // fp32 [rows, inner]
GLM_WEIGHT_FORMATS(GLM_ROW)
#undef GLM_ROW

// For the packers: splits the columns into [block, lane's quarter t, step j, word half, column of two], which makes
// eight dimensions of tiles. These are their names.
enum Dimension { kTile, kHalf, kRow, kBlock, kQuarter, kStep, kWord, kColumn };
at::Tensor split_columns(const at::Tensor& tiles);
// Makes x again of what was split_columns(x).permute(order). The `shape` is x's.
at::Tensor join_columns(const at::Tensor& permuted, const std::vector<int64_t>& order, at::IntArrayRef shape);

}  // namespace glm
