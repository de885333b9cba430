// Contract: what a format's packer makes of a weight, and the way back; kernels/cuda/formats.h draws the order of the
//   elements. Tiles come as fp32 or bf16 [tiles, 2, 8, in], or as codes: the rows are in the order of the tiles, and
//   the columns are padded with zeros to a multiple of 64. unpack(pack(x)) is what the kernels compute with; of codes
//   it is what CodedWeight says, once it is rounded to bf16. exact_weight() draws a weight that packing doesn't change.
// Roofline: memory; a weight is packed once per load.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <vector>

#include "kernels/coded_weight.h"
#include "kernels/cuda/formats.h"

namespace glm {

struct PackedTensors {
  at::Tensor tiles;         // bytes, or bf16
  at::Tensor row_scales;    // fp32 [out] in packed order, or undefined
  at::Tensor group_scales;  // i32 [tiles, groups, 8, …], or undefined
  int64_t group = 0;        // columns of a group of codes
};

// A checkpoint's codes as the kernels read them.
struct CodeTiles {
  at::Tensor codes;          // u8 [tiles, 2, 8, in]: 0 to 15, or the bits of an e4m3
  at::Tensor scales, zeros;  // fp16 or fp32 [tiles, 2, 8, groups]; sdnq5 has no zeros
  int64_t group = 0;         // 16, 32, 64 or 128
};

struct WeightShape {
  int64_t rows;
  int64_t inner;
};

// Draws whole numbers from low to high - 1, as fp32 of this shape.
using DrawWhole = std::function<at::Tensor(int64_t low, int64_t high, at::IntArrayRef shape)>;

// Each format's packer is a file beside this one. The `shape` is that of the tiles, [tiles, 2, 8, padded in].
#define GLM_ROW(name, Traits) at::Tensor unpack(cuda::Traits row, const PackedTensors& packed, at::IntArrayRef shape);
GLM_WEIGHT_FORMATS(GLM_ROW)
#undef GLM_ROW
#define GLM_ROW(name, Traits)                                    \
  PackedTensors pack(cuda::Traits row, const at::Tensor& tiles); \
  at::Tensor exact_weight(cuda::Traits row, WeightShape shape, const DrawWhole& whole);  // fp32 [rows, inner]
GLM_NUMBER_FORMATS(GLM_ROW)
#undef GLM_ROW
#define GLM_ROW(name, Traits)                                   \
  PackedTensors pack(cuda::Traits row, const CodeTiles& tiles); \
  CodedWeight exact_codes(cuda::Traits row, WeightShape shape, int64_t group, const DrawWhole& whole);
GLM_CODE_FORMATS(GLM_ROW)
#undef GLM_ROW

// What decides how codes are packed.
struct CodeKind {
  CodedWeight::Coding coding{};
  int64_t in = 0;
  int64_t group = 0;  // columns
  at::ScalarType scales{};
};
CodeKind kind_of(const CodedWeight& weight);
// Returns the format in which the kernels read such codes, or nothing if they don't.
std::optional<cuda::Format> format_of(const CodeKind& kind);
// Brings a weight's codes into the shape of CodeTiles, but with rows [out, …] in their own order. A group whose columns
// are none of the kernels' sizes becomes several with the same scale.
CodeTiles rows_of_codes(const CodedWeight& weight, int64_t padded_in);

// For the packers: splits the columns into [block, lane's quarter t, step j, word half, column of two], which makes
// eight dimensions of tiles. These are their names.
enum Dimension { kTile, kHalf, kRow, kBlock, kQuarter, kStep, kWord, kColumn };
at::Tensor split_columns(const at::Tensor& tiles);
// Makes x again of what was split_columns(x).permute(order). The `shape` is x's.
at::Tensor join_columns(const at::Tensor& permuted, const std::vector<int64_t>& order, at::IntArrayRef shape);

// Bytes [tiles, 2, 8, in] in the order of a format of eight bits, and back; and values below 16 in that of four bits.
at::Tensor pack_bytes(const at::Tensor& bytes);
at::Tensor unpack_bytes(const at::Tensor& packed, at::IntArrayRef shape);
at::Tensor pack_nibbles(const at::Tensor& values);
at::Tensor unpack_nibbles(const at::Tensor& packed, at::IntArrayRef shape);

// Returns the bits of a bf16 or an fp16 in the low half of an i32, whose high half is empty.
at::Tensor low_bits(const at::Tensor& numbers);

}  // namespace glm
