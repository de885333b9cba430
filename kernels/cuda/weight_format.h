// How a weight [rows, inner] lies in memory for the decode kernels, and how a lane makes tensor-core operands of it.
//
// Tiles of 16 rows follow each other; in a tile, blocks of 64 columns; in a block, what the 32 lanes of a warp hold, so
// that a lane reads sixteen (int4: the block's only sixteen) bytes at a time and a warp 512 in a row. Lane 4 g + t owns
// the rows g and g + 8 and the sixteen columns from 16 t on: four steps j of one product each, of four columns 16 t + 4
// j
// + e. An operand's word is two columns of one row: word i of step j has row g + 8 (i % 2), columns e = 2 (i / 2) and
// the next.
//
//   bf16  [tile][block][step j][lane][word i]                      512 bytes a step
//   fp8   [tile][block][half of the steps][lane][step][word pair]  a pair: bytes of words i, i + 1: low, low, high,
//   high int8  the same int4  [tile][block][lane][step]                                a step: nibble i is word i's
//   low, nibble i + 4 its high
//
// A gate|up weight's tile t holds gate rows 8t … 8t + 7, then the up rows of the same numbers.
#pragma once

#include "kernels/cuda/parameters.h"

namespace glm::cuda {

// Bytes that a lane holds of a block, and what scales the products.
struct Bf16Format {
  static constexpr int kLaneBytes = 64;
  static constexpr bool kRowScaled = false;
  static constexpr bool kGroupScaled = false;
};
struct Fp8Format {
  static constexpr int kLaneBytes = 32;
  static constexpr bool kFloat = true;
  static constexpr bool kRowScaled = true;
  static constexpr bool kGroupScaled = false;
};
struct Int8Format {
  static constexpr int kLaneBytes = 32;
  static constexpr bool kFloat = false;
  static constexpr bool kRowScaled = true;
  static constexpr bool kGroupScaled = false;
};
struct Int4Format {
  static constexpr int kLaneBytes = 16;
  static constexpr bool kRowScaled = false;
  static constexpr bool kGroupScaled = true;
};

// As --precision has it.
constexpr const char* format_name(Format format) {
  switch (format) {
    case Format::bf16:
      return "bf16";
    case Format::fp8:
      return "fp8";
    case Format::int8:
      return "int8";
    case Format::int4:
      return "int4";
  }
  return "";
}

constexpr int64_t packed_bytes(Format format, int64_t rows, int64_t inner) {
  const int lane_bytes = format == Format::bf16   ? Bf16Format::kLaneBytes
                         : format == Format::int4 ? Int4Format::kLaneBytes
                                                  : Fp8Format::kLaneBytes;
  return rows / kTileRows * (inner / kBlockInner) * 32 * lane_bytes;
}

}  // namespace glm::cuda
