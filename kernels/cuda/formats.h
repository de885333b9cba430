// The formats of the decode kernels' weights: how a weight [rows, inner] lies in memory, and the one table that
// everything else reads. A new format is a row here, its packer in kernels/packers/, and its operands in formats/ with
// their .cu.
//
// clang-format off
//
// Sixteen rows are a tile, and 64 columns of a tile are a block. The rows are a multiple of 16. The columns are padded
// with codes of 0 to whole blocks; `inner` is their count after that. Everything is little-endian.
// A block is one piece of memory. The blocks of tile 0 come first, from left to right, then those of tile 1, and so on.
// With n = inner / 64:
//
//                    0 … 63     64 … 127            … inner - 1    columns
//                 +-----------+-----------+-----+-------------+
//   rows  0 … 15  |  block 0  |  block 1  |  …  | block n - 1 |    tile 0
//                 +-----------+-----------+-----+-------------+
//   rows 16 … 31  |  block n  |    n + 1  |  …  |    2 n - 1  |    tile 1
//                 +-----------+-----------+-----+-------------+
//
// The 32 lanes of a warp share a block. Lane 4 g + t holds the rows g and g + 8, at the sixteen columns from 16 t on:
//
//                  0 … 15    16 … 31   32 … 47   48 … 63    columns of the block
//                +---------+---------+---------+---------+
//   rows 0,  8   | lane  0 | lane  1 | lane  2 | lane  3 |
//   rows 1,  9   | lane  4 | lane  5 | lane  6 | lane  7 |
//   rows 2, 10   | lane  8 | lane  9 | lane 10 | lane 11 |
//   rows 3, 11   | lane 12 | lane 13 | lane 14 | lane 15 |
//   rows 4, 12   | lane 16 | lane 17 | lane 18 | lane 19 |
//   rows 5, 13   | lane 20 | lane 21 | lane 22 | lane 23 |
//   rows 6, 14   | lane 24 | lane 25 | lane 26 | lane 27 |
//   rows 7, 15   | lane 28 | lane 29 | lane 30 | lane 31 |
//                +---------+---------+---------+---------+
//
// So a lane holds 32 numbers: a0 … a15 of row g, and b0 … b15 of row g + 8, from its first column to its last.
// In memory a block is 4 (bf16), 2 (fp8, int8, sdnq5) or 1 (int4, autoround, sdnq4) parts of 512 bytes, part 0 first. A
// part is sixteen bytes for each lane, lane 0 first, so that a lane reads sixteen bytes at a time and a warp 512 in a
// row. This is what lies in a lane's sixteen bytes. Formats of four bits put two numbers into a byte, in the order that
// makes the words at the end of this comment with the fewest instructions:
//
//   byte        0    1    2    3    4    5    6    7    8    9   10   11   12   13   14   15
//             +----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//   bf16      |   a0    |   a1    |   b0    |   b1    |   a2    |   a3    |   b2    |   b3    |   part 0
//             |   a4    |   a5    |   b4    |   b5    |   a6    |   a7    |   b6    |   b7    |   part 1
//             |   a8    |   a9    |   b8    |   b9    |   a10   |   a11   |   b10   |   b11   |   part 2
//             |   a12   |   a13   |   b12   |   b13   |   a14   |   a15   |   b14   |   b15   |   part 3
//             +----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//   eight bits| a0 | b0 | a1 | b1 | a2 | b2 | a3 | b3 | a4 | b4 | a5 | b5 | a6 | b6 | a7 | b7 |   part 0
//             | a8 | b8 | a9 | b9 | a10| b10| a11| b11| a12| b12| a13| b13| a14| b14| a15| b15|   part 1
//             +----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//   four, low | a0 | a2 | a1 | a3 | a4 | a6 | a5 | a7 | a8 | a10| a9 | a11| a12| a14| a13| a15|   part 0, low halves
//        high | b0 | b2 | b1 | b3 | b4 | b6 | b5 | b7 | b8 | b10| b9 | b11| b12| b14| b13| b15|   part 0, high halves
//             +----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//
// The value of a stored number x:
//
//   bf16        x
//   fp8         x * row_scales[row]           x is an e4m3fn
//   int8        (x - 128) * row_scales[row]   x is a byte without a sign
//   int4        (x - zero) * scale            x is 0 … 15
//   autoround   (x - zero) * scale            x is 0 … 15; rounded to fp16, then to bf16
//   sdnq4       x * scale + zero              x is 0 … 15; rounded once to fp32, then to bf16
//   sdnq5       x * scale                     x is an e4m3fn; rounded to fp32, then to bf16
//
// autoround, sdnq4 and sdnq5 keep the codes of a checkpoint that somebody has quantised, and their values are the
// quantising package's own, bit for bit. SDNQ's int5 and float5_e3m1fn are both sdnq5, because each of their levels is
// an e4m3fn.
//
// row_scales is fp32 [rows]. Its rows are counted as they lie in the tiles, 16 * tile + row of the tile, which matters
// for the gate|up weights below. group_scales is u32 [rows / 16, groups, 8, kScaleBytes / 4], the last index counting
// fastest. A group is 128 columns of int4, and of the checkpoints' formats 16, 32, 64 or 128; the last one may have
// fewer. The words [i][c / group][g] belong to the numbers of the rows g and g + 8 of tile i at column c of the weight:
//
//   int4        scale | zero << 16 of row g, then of row g + 8; both bf16
//   autoround   scale | zero << 16 of row g, then of row g + 8; both fp16
//   sdnq4       scale of row g, zero of row g, scale of row g + 8, zero of row g + 8; fp32
//   sdnq5       scale of row g, scale of row g + 8; fp32
//
// Only a weight whose columns are a multiple of 128 can be int4; another is int8 (Otherwise, below). The padding of
// autoround and sdnq4 has code 0, whose value is a zero only in a group of its own: x is what is zero there.
//
// A gate|up weight has N gate rows and then N up rows. Its tile i takes eight of each, so that the rows g and g + 8 of
// a lane are the gate and the up of one feature:
//
//   row of the tile      0      1    …    7        8         9     …     15
//   row of the weight   8 i  8 i + 1 … 8 i + 7  N + 8 i  N + 8 i + 1 … N + 8 i + 7
//
// Four columns of a lane are a step, j = 0 … 3: one tensor-core product. With k = 4 j, its operand is four words of two
// bf16 each, the first of them in the word's low half. Operand<Format> in formats/ makes them out of the bytes above:
//
//   word 0: a(k), a(k+1)     word 1: b(k), b(k+1)     word 2: a(k+2), a(k+3)     word 3: b(k+2), b(k+3)
//
// clang-format on
#pragma once

#include <stdint.h>

#include <type_traits>

namespace glm::cuda {

constexpr int kTileRows = 16;     // rows of a tile, and of one tensor-core product
constexpr int kBlockInner = 64;   // columns of a block
constexpr int kGroupInner = 128;  // int4: columns that share a scale and a zero

// The facts of each format. Otherwise is the format that a weight gets whose columns are no multiple of kColumns.
// kCoded: only a checkpoint's own codes are packed so. No option asks for it.
struct Bf16Format {
  static constexpr double kBytes = 2;        // bytes of one number, without scales
  static constexpr bool kQuantised = false;  // a format that isn't runs on a CPU too, by ATen
  static constexpr int kColumns = 1;
  using Otherwise = Bf16Format;
  static constexpr int kLaneBytes = 64;      // bytes of a block that a lane holds
  static constexpr bool kRowScaled = false;  // a scale for each row
  static constexpr int kScaleBytes = 0;      // bytes of what a group of the rows g and g + 8 has beside its codes
  static constexpr bool kCoded = false;
};
struct Fp8Format {
  static constexpr double kBytes = 1;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Fp8Format;
  static constexpr int kLaneBytes = 32;
  static constexpr bool kRowScaled = true;
  static constexpr int kScaleBytes = 0;
  static constexpr bool kCoded = false;
};
struct Int8Format {
  static constexpr double kBytes = 1;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Int8Format;
  static constexpr int kLaneBytes = 32;
  static constexpr bool kRowScaled = true;
  static constexpr int kScaleBytes = 0;
  static constexpr bool kCoded = false;
};
struct Int4Format {
  static constexpr double kBytes = 0.5;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = kGroupInner;
  using Otherwise = Int8Format;
  static constexpr int kLaneBytes = 16;
  static constexpr bool kRowScaled = false;
  static constexpr int kScaleBytes = 8;
  static constexpr bool kCoded = false;
};
struct AutoRoundFormat {
  static constexpr double kBytes = 0.5;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = AutoRoundFormat;
  static constexpr int kLaneBytes = 16;
  static constexpr bool kRowScaled = false;
  static constexpr int kScaleBytes = 8;
  static constexpr bool kCoded = true;
};
struct Sdnq4Format {
  static constexpr double kBytes = 0.5;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Sdnq4Format;
  static constexpr int kLaneBytes = 16;
  static constexpr bool kRowScaled = false;
  static constexpr int kScaleBytes = 16;
  static constexpr bool kCoded = true;
};
struct Sdnq5Format {
  static constexpr double kBytes = 1;
  static constexpr bool kQuantised = true;
  static constexpr int kColumns = 1;
  using Otherwise = Sdnq5Format;
  static constexpr int kLaneBytes = 32;
  static constexpr bool kRowScaled = false;
  static constexpr int kScaleBytes = 8;
  static constexpr bool kCoded = true;
};

// The table, in two halves. A row is ROW(the format's name, the struct of its facts). The enumeration, the names and
// with_format() are made from the table, so that none of them can lack a row. The first half is packed from numbers,
// and has the names of --precision; the second from a checkpoint's codes.
#define GLM_NUMBER_FORMATS(ROW) \
  ROW(bf16, Bf16Format)         \
  ROW(fp8, Fp8Format)           \
  ROW(int8, Int8Format)         \
  ROW(int4, Int4Format)
#define GLM_CODE_FORMATS(ROW)     \
  ROW(autoround, AutoRoundFormat) \
  ROW(sdnq4, Sdnq4Format)         \
  ROW(sdnq5, Sdnq5Format)
#define GLM_WEIGHT_FORMATS(ROW) GLM_NUMBER_FORMATS(ROW) GLM_CODE_FORMATS(ROW)

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

// A row of the table, as values.
struct FormatRow {
  const char* name;
  double bytes;  // of one number, without scales
  Format format;
  bool quantised;
  bool coded;
};
constexpr FormatRow kFormats[] = {
#define GLM_ROW(name, Traits) {#name, Traits::kBytes, Format::name, Traits::kQuantised, Traits::kCoded},
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

// Returns the format that a weight of this many columns gets where `asked` is asked for.
constexpr Format format_for(Format asked, int64_t columns) {
  return with_format(asked, [&](auto row) {
    return columns % decltype(row)::kColumns == 0 ? asked : format_of<typename decltype(row)::Otherwise>();
  });
}

// Returns the bytes of a packed weight [rows, inner] without its scales; inner is padded.
constexpr int64_t packed_bytes(Format format, int64_t rows, int64_t inner) {
  const int lane_bytes = with_format(format, [](auto row) { return decltype(row)::kLaneBytes; });
  return rows / kTileRows * (inner / kBlockInner) * 32 * lane_bytes;
}
// Returns the words of its group_scales.
constexpr int64_t scale_words(Format format, int64_t rows, int64_t inner, int64_t group) {
  const int bytes = with_format(format, [](auto row) { return decltype(row)::kScaleBytes; });
  return bytes == 0 ? 0 : rows / kTileRows * ((inner + group - 1) / group) * 8 * (bytes / 4);
}

}  // namespace glm::cuda
