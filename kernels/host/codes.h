// Contract: a weight as a checkpoint has it that somebody has quantised. Each number is a code, which stands for a
//   level. The columns of a row lie in groups, and each group has a scale and may have a zero. The numbers are the
//   quantising package's own, bit for bit: they are rounded where it rounds them.
//   Upstream: auto-round's QuantLinear, sdnq's SDNQDequantizer
// Roofline: memory; codes, scales and zeros are read once. kernels/README.md has numbers.
#pragma once

#include <cstdint>

#include "kernels/host/host_kernels.h"

namespace glm::host {

inline constexpr int kMostLevels = 32;  // of a table

struct Codes {
  enum class Formula {
    fp16_product,  // AutoRound: (level - zero) * scale, rounded to fp16
    sum,           // SDNQ: level * scale + zero, rounded once to the type of the scale
    product,       // ours: (level - zero) * scale
  };
  enum class Number { fp16, bf16, fp32 };

  const uint8_t* codes = nullptr;  // 16 levels: [out, in / 2], the lower half of a byte first; more levels: [out, in]
  const float* levels = nullptr;   // [level_count]; 256 levels have no table: a level is its code - 128
  int level_count = 16;            // 16, 32 or 256; 256 levels are for products, without zeros
  const void* scales = nullptr;    // [out, groups]
  const void* zeros = nullptr;     // [out, groups], or null: they are 0
  Number number = Number::fp32;    // of scales and zeros
  Formula formula = Formula::sum;
  int64_t in = 0;          // even where there are 16 levels
  int64_t group = 0;       // columns of a group, even; the last group may have fewer
  Type type = Type::fp32;  // what the numbers are rounded to in the end

  int64_t groups() const { return (in + group - 1) / group; }
};

// Computes a product of up to 16 rows, with all threads. product: its weight isn't used. The bits are those of
// multiply_on_threads() with the same numbers as a dense weight.
void multiply_codes_on_threads(const Product& product, const Codes& codes, int64_t outs);

// Writes the numbers of the rows begin .. end-1, with all threads. to: [end - begin, in]
void decode_on_threads(const Codes& codes, int64_t begin, int64_t end, float* to);

}  // namespace glm::host
