// The formats of the decode kernels' weights: how a weight [rows, inner] lies in memory, and the one table that
// everything else reads. A new format is a row here, its packer in kernels/packers/ and its operands in formats/ with
// their .cu.
//
// Tiles of 16 rows follow each other; in a tile, blocks of 64 columns; in a block, what the 32 lanes of a warp hold, so
// that a lane reads sixteen (int4: the block's only sixteen) bytes at a time and a warp 512 in a row. Lane 4 g + t owns
// the rows g and g + 8 and the sixteen columns from 16 t on: four steps j of one product each, of the four columns
// 16 t + 4 j + e. An operand's word is two columns of one row: word i of step j has row g + 8 (i % 2), columns
// e = 2 (i / 2) and the next.
//
// clang-format off
//   bf16  [tile][block][step j][lane][word i]                      512 bytes a step
//   fp8   [tile][block][half of the steps][lane][step][word pair]  a pair: bytes of words i, i + 1: low, low, high, high
//   int8  the same
//   int4  [tile][block][lane][step]                                a step: nibble i is word i's low, nibble i + 4 its high
// clang-format on
//
// A gate|up weight's tile t holds gate rows 8t … 8t + 7, then the up rows of the same numbers.
#pragma once

#include <stdint.h>

#include <type_traits>

namespace glm::cuda {

constexpr int kTileRows = 16;     // of a packed weight: the rows of one tensor-core product
constexpr int kBlockInner = 64;   // of a packed weight: what a lane loads at a time holds this many columns of two rows
constexpr int kGroupInner = 128;  // int4: columns that share a scale and a zero

// What is to be known of each format. Otherwise: the format of a weight whose columns are no multiple of kColumns.
struct Bf16Format {
  static constexpr double kBytes = 2;        // of a weight, without scales
  static constexpr bool kQuantised = false;  // what isn't runs on a CPU too, by ATen
  static constexpr int kColumns = 1;
  using Otherwise = Bf16Format;
  static constexpr int kLaneBytes = 64;        // that a lane holds of a block
  static constexpr bool kRowScaled = false;    // a scale for each row
  static constexpr bool kGroupScaled = false;  // a scale and a zero for each kGroupInner columns of a row
};
struct Fp8Format {
  static constexpr double kBytes = 1;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Fp8Format;
  static constexpr int kLaneBytes = 32;
  static constexpr bool kRowScaled = true;
  static constexpr bool kGroupScaled = false;
};
struct Int8Format {
  static constexpr double kBytes = 1;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Int8Format;
  static constexpr int kLaneBytes = 32;
  static constexpr bool kRowScaled = true;
  static constexpr bool kGroupScaled = false;
};
struct Int4Format {
  static constexpr double kBytes = 0.5;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = kGroupInner;
  using Otherwise = Int8Format;
  static constexpr int kLaneBytes = 16;
  static constexpr bool kRowScaled = false;
  static constexpr bool kGroupScaled = true;
};

// The table: ROW(name as --precision has it, what is known of it). The enumeration, the names and with_format() are
// made of it, so that none of them can lack a row.
#define GLM_WEIGHT_FORMATS(ROW) \
  ROW(bf16, Bf16Format)         \
  ROW(fp8, Fp8Format)           \
  ROW(int8, Int8Format)         \
  ROW(int4, Int4Format)

enum class Format : int {
#define GLM_ROW(name, Traits) name,
  GLM_WEIGHT_FORMATS(GLM_ROW)
#undef GLM_ROW
};

// Calls `call` with the row of a format, for example Fp8Format{}, and returns what it returns.
template <typename Call>
constexpr auto with_format(Format format, Call call) {
  switch (format) {
#define GLM_ROW(name, Traits) \
  case Format::name:          \
    return call(Traits{}); /* NOLINT(bugprone-macro-parentheses): a type */
    GLM_WEIGHT_FORMATS(GLM_ROW)
#undef GLM_ROW
  }
  return call(Bf16Format{});  // a number that is no format
}

// A line of the table as values.
struct FormatRow {
  const char* name;  // as --precision has it
  double bytes;      // of a weight, without scales
  Format format;
  bool quantised;
};
constexpr FormatRow kFormats[] = {
#define GLM_ROW(name, Traits) {#name, Traits::kBytes, Format::name, Traits::kQuantised},
    GLM_WEIGHT_FORMATS(GLM_ROW)
#undef GLM_ROW
};
constexpr const FormatRow& row_of(Format format) {
  return kFormats[static_cast<int>(format)];
}

template <typename Traits>
constexpr Format format_of() {
  for (const FormatRow& row : kFormats) {
    const bool same = with_format(row.format, [](auto known) { return std::is_same_v<decltype(known), Traits>; });
    if (same) return row.format;
  }
  return Format{};
}

// The format that a weight of this many columns gets where `asked` was asked for.
constexpr Format format_for(Format asked, int64_t columns) {
  return with_format(asked, [&](auto row) {
    return columns % decltype(row)::kColumns == 0 ? asked : format_of<typename decltype(row)::Otherwise>();
  });
}

constexpr int64_t packed_bytes(Format format, int64_t rows, int64_t inner) {
  const int lane_bytes = with_format(format, [](auto row) { return decltype(row)::kLaneBytes; });
  return rows / kTileRows * (inner / kBlockInner) * 32 * lane_bytes;
}

}  // namespace glm::cuda
