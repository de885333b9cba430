#include "kernels/packed_weight.h"

#include <ATen/ATen.h>

#include <vector>

namespace glm {
namespace {

using cuda::Format;
using cuda::kBlockInner;
using cuda::kGroupInner;
using cuda::kTileRows;

// Rows in the order of the tiles, as [tile, half, row of 8, …], and back.
at::Tensor to_tiles(const at::Tensor& rows, PackedWeight::Rows order) {
  const int64_t tiles = rows.size(0) / kTileRows;
  if (order == PackedWeight::Rows::plain) return rows.unflatten(0, {tiles, 2, 8});
  return rows.unflatten(0, {2, tiles, 8}).transpose(0, 1);
}
at::Tensor from_tiles(const at::Tensor& tiles, PackedWeight::Rows order) {
  return (order == PackedWeight::Rows::plain ? tiles : tiles.transpose(0, 1)).flatten(0, 2);
}

// Columns as [block, lane's quarter t, step j, word half, column of two]: dimensions 3 … 7 after to_tiles' three.
at::Tensor split_columns(const at::Tensor& tiles) {
  return tiles.unflatten(-1, {tiles.size(-1) / kBlockInner, 4, 4, 2, 2});
}

// Names of the eight dimensions then: tile, half of the rows, row, block, quarter, step, word half, column.
enum Dimension { kTile, kHalf, kRow, kBlock, kQuarter, kStep, kWord, kColumn };

const std::vector<int64_t> kBf16Order = {kTile, kBlock, kStep, kRow, kQuarter, kWord, kHalf, kColumn};
// Eight bits: the steps split in two halves first, which makes nine dimensions: step is 5 and 6, word 7, column 8.
const std::vector<int64_t> kByteOrder = {0, 3, 5, 2, 4, 6, 7, 8, 1};
// Four bits: eight nibbles of a step, from the lowest: columns, word halves, row halves.
const std::vector<int64_t> kNibbleOrder = {kTile, kBlock, kRow, kQuarter, kStep, kColumn, kWord, kHalf};

std::vector<int64_t> inverse(const std::vector<int64_t>& order) {
  std::vector<int64_t> result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

at::Tensor undo(const at::Tensor& packed, const at::Tensor& like, const std::vector<int64_t>& order) {
  return packed.view(like.permute(order).sizes()).permute(inverse(order));
}

at::Tensor pack_bytes(const at::Tensor& columns) {
  return columns.unflatten(kStep, {2, 2}).permute(kByteOrder).contiguous();
}
at::Tensor unpack_bytes(const at::Tensor& packed, const at::Tensor& like) {
  return undo(packed, like.unflatten(kStep, {2, 2}), kByteOrder).flatten(kStep, kStep + 1);
}

// Two values below 16 to a byte, the first in the low half.
at::Tensor join_nibbles(const at::Tensor& values) {
  const auto pairs = values.contiguous().view({-1, 2}).unbind(1);
  return pairs[0].bitwise_or(pairs[1].bitwise_left_shift(4));
}
at::Tensor part_nibbles(const at::Tensor& bytes) {
  return at::stack({bytes.bitwise_and(15), bytes.bitwise_right_shift(4)}, -1).flatten();
}

// bf16's bits in the low half, the high half empty.
at::Tensor bits(const at::Tensor& bf16) {
  return bf16.contiguous().view(at::kShort).to(at::kInt).bitwise_and(0xFFFF);
}

}  // namespace

bool PackedWeight::fits(int64_t out) {
  return out % kTileRows == 0;
}

PackedWeight::PackedWeight(const at::Tensor& weight, Format format, Rows rows)
    : out_(weight.size(0)), in_(weight.size(1)), format_(format), rows_(rows) {
  TORCH_CHECK(fits(out_), "a packed weight's rows: expected a multiple of ", kTileRows, ", found ", out_);
  if (format_ == Format::int4 && in_ % kGroupInner != 0) format_ = Format::int8;
  const int64_t padding = (in_ + kBlockInner - 1) / kBlockInner * kBlockInner - in_;
  const at::Tensor tiles =
      to_tiles(padding == 0 ? weight : at::constant_pad_nd(weight, {0, padding}), rows);  // [tiles, 2, 8, in]
  if (format_ == Format::bf16) {
    tiles_ = split_columns(tiles).permute(kBf16Order).to(at::kBFloat16).contiguous();
    return;
  }
  const at::Tensor wide = tiles.to(at::kFloat);
  if (format_ == Format::int4) {
    const at::Tensor groups = wide.unflatten(-1, {-1, kGroupInner});
    const at::Tensor lowest = groups.amin(-1).clamp_max(0);
    const at::Tensor scale = ((groups.amax(-1).clamp_min(0) - lowest) / 15).clamp_min(1e-30).to(at::kBFloat16);
    const at::Tensor zero = (-lowest / scale).round().clamp(0, 15);
    const at::Tensor values =
        (groups / scale.unsqueeze(-1) + zero.unsqueeze(-1)).round().clamp(0, 15).to(at::kByte).flatten(3);
    tiles_ = join_nibbles(split_columns(values).permute(kNibbleOrder));
    group_scales_ = bits(scale)
                        .bitwise_or(bits(zero.to(at::kBFloat16)).bitwise_left_shift(16))
                        .permute({0, 3, 2, 1})  // [tiles, groups, 8, 2]
                        .contiguous();
    return;
  }
  const double largest = format_ == Format::fp8 ? 448.0 : 127.0;
  const at::Tensor scale = (wide.abs().amax(-1, /*keepdim=*/true) / largest).clamp_min(1e-30);
  const at::Tensor scaled = wide / scale;
  row_scales_ = scale.flatten().contiguous();
  const at::Tensor bytes =
      format_ == Format::fp8 ? scaled.to(at::kFloat8_e4m3fn).view(at::kByte) : (scaled.round() + 128).to(at::kByte);
  tiles_ = pack_bytes(split_columns(bytes));
}

at::Tensor PackedWeight::dense() const {
  const int64_t tiles = out_ / kTileRows;
  const int64_t blocks = (in_ + kBlockInner - 1) / kBlockInner;
  // Only its sizes are asked.
  const at::Tensor shape = at::empty({1}, at::kByte).expand({tiles, 2, 8, blocks, 4, 4, 2, 2});
  at::Tensor values;  // [tiles, 2, 8, padded in]
  if (format_ == Format::bf16) {
    values = undo(tiles_, shape, kBf16Order).flatten(3);
  } else if (format_ == Format::int4) {
    const at::Tensor whole =
        undo(part_nibbles(tiles_), shape, kNibbleOrder).flatten(3).unflatten(-1, {-1, kGroupInner}).to(at::kFloat);
    const at::Tensor pair = group_scales_.permute({0, 3, 2, 1}).unsqueeze(-1);  // [tiles, 2, 8, groups, 1]
    const at::Tensor scale = pair.bitwise_left_shift(16).contiguous().view(at::kFloat);
    const at::Tensor zero = pair.bitwise_and(-65536).contiguous().view(at::kFloat);
    values = ((whole - zero) * scale).flatten(3);
  } else {
    const at::Tensor bytes = unpack_bytes(tiles_, shape).flatten(3).contiguous();
    const at::Tensor wide =
        format_ == Format::fp8 ? bytes.view(at::kFloat8_e4m3fn).to(at::kFloat) : bytes.to(at::kFloat) - 128;
    values = wide * row_scales_.view({tiles, 2, 8, 1});
  }
  return from_tiles(values, rows_).slice(1, 0, in_).to(at::kBFloat16).contiguous();
}

cuda::PackedWeight PackedWeight::parameters() const {
  const int64_t blocks = (in_ + kBlockInner - 1) / kBlockInner;
  return {.tiles = tiles_.const_data_ptr(),
          .row_scales = row_scales_.defined() ? row_scales_.const_data_ptr<float>() : nullptr,
          .group_scales = group_scales_.defined()
                              ? reinterpret_cast<const uint32_t*>(group_scales_.const_data_ptr<int32_t>())
                              : nullptr,
          .rows = static_cast<int>(out_),
          .inner = static_cast<int>(blocks * kBlockInner),
          .format = format_};
}

}  // namespace glm
