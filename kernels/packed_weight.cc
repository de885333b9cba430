#include "kernels/packed_weight.h"

#include <ATen/ATen.h>

namespace glm {
namespace {

using cuda::Format;
using cuda::kBlockInner;
using cuda::kTileRows;

// Brings the rows into the order of the tiles, [tile, half, row of 8, …], and back.
at::Tensor to_tiles(const at::Tensor& rows, PackedWeight::Rows order) {
  const int64_t tiles = rows.size(0) / kTileRows;
  if (order == PackedWeight::Rows::plain) return rows.unflatten(0, {tiles, 2, 8});
  return rows.unflatten(0, {2, tiles, 8}).transpose(0, 1);
}
at::Tensor from_tiles(const at::Tensor& tiles, PackedWeight::Rows order) {
  return (order == PackedWeight::Rows::plain ? tiles : tiles.transpose(0, 1)).flatten(0, 2);
}

int64_t padded(int64_t inner) {
  return (inner + kBlockInner - 1) / kBlockInner * kBlockInner;
}

void check_rows(int64_t out) {
  TORCH_CHECK(PackedWeight::fits(out), "rows of a packed weight: expected a multiple of ", kTileRows, ", found ", out);
}

PackedTensors packed_codes(Format format, const CodeTiles& tiles) {
  return cuda::with_format(format, [&](auto row) {
    if constexpr (decltype(row)::kCoded) {
      return pack(row, tiles);
    } else {
      return PackedTensors{};
    }
  });
}

}  // namespace

bool PackedWeight::fits(int64_t out) {
  return out % kTileRows == 0;
}

PackedWeight::PackedWeight(const at::Tensor& weight, Format format, Rows rows)
    : out_(weight.size(0)), in_(weight.size(1)), format_(cuda::format_for(format, in_)), rows_(rows) {
  check_rows(out_);
  const int64_t padding = padded(in_) - in_;
  const at::Tensor tiles = to_tiles(padding == 0 ? weight : at::constant_pad_nd(weight, {0, padding}), rows);
  packed_ = cuda::with_format(format_, [&](auto row) {
    if constexpr (decltype(row)::kCoded) {
      TORCH_CHECK(false, "a packed weight of numbers: expected a format of numbers, found ", cuda::row_of(format).name);
      return PackedTensors{};
    } else {
      return pack(row, tiles);
    }
  });
}

PackedWeight::PackedWeight(const CodedWeight& weight, Rows rows) : out_(weight.out()), in_(weight.in), rows_(rows) {
  const std::optional<Format> format = format_of(kind_of(weight));
  TORCH_CHECK(format, "packing codes: expected a coding and groups that the kernels read, found groups of ",
              weight.group, " with scales in ", weight.scales.scalar_type());
  format_ = *format;
  check_rows(out_);
  CodeTiles tiles = rows_of_codes(weight, padded(in_));
  for (at::Tensor* each : {&tiles.codes, &tiles.scales, &tiles.zeros}) {
    if (each->defined()) *each = to_tiles(*each, rows);
  }
  packed_ = packed_codes(format_, tiles);
}

PackedWeight PackedWeight::drawn(Format format, WeightShape shape, int64_t group, Rows rows, const DrawWhole& whole) {
  return cuda::with_format(format, [&](auto row) {
    if constexpr (decltype(row)::kCoded) {
      return PackedWeight(exact_codes(row, shape, group, whole), rows);
    } else {
      return PackedWeight(exact_weight(row, shape, whole), format, rows);
    }
  });
}

std::optional<Format> PackedWeight::format_of(const CodeKind& codes) {
  return glm::format_of(codes);
}

at::Tensor PackedWeight::dense() const {
  const int64_t shape[] = {out_ / kTileRows, 2, 8, padded(in_)};
  const at::Tensor values = cuda::with_format(format_, [&](auto row) { return unpack(row, packed_, shape); });
  return from_tiles(values, rows_).slice(1, 0, in_).to(at::kBFloat16).contiguous();
}

cuda::PackedWeight PackedWeight::parameters() const {
  const at::Tensor& row_scales = packed_.row_scales;
  const at::Tensor& group_scales = packed_.group_scales;
  return {.tiles = packed_.tiles.const_data_ptr(),
          .row_scales = row_scales.defined() ? row_scales.const_data_ptr<float>() : nullptr,
          .group_scales = group_scales.defined()
                              ? reinterpret_cast<const uint32_t*>(group_scales.const_data_ptr<int32_t>())
                              : nullptr,
          .rows = static_cast<int>(out_),
          .inner = static_cast<int>(padded(in_)),
          .group = static_cast<int>(packed_.group != 0       ? packed_.group
                                    : group_scales.defined() ? cuda::kGroupInner
                                                             : 0),
          .format = format_};
}

}  // namespace glm
