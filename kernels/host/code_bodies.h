// Turns codes into the numbers that they stand for (codes.h). It is included as bodies.h is.
#pragma once

#include "kernels/host/codes.h"

namespace glm::host {
namespace {

inline float from_bits(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

inline uint32_t bits_of(float value) {
  return __builtin_bit_cast(uint32_t, value);
}

// Rounds to the nearest number without the last `dropped` bits, and to an even one when two are as near.
inline float without_bits(float value, int dropped) {
  const uint32_t bits = bits_of(value);
  const uint32_t half = (1U << (dropped - 1)) - 1 + (bits >> dropped & 1);
  return from_bits((bits + half) & ~((1U << dropped) - 1));
}

inline float as_bf16(float value) {
  return without_bits(value, 16);
}

// Below 2^-14 fp16 has steps of 2^-24, as floats have from 0.5 to 1. No value is so large that fp16 lacks it.
// Without branches, so that the compiler computes several at once.
inline float as_fp16(float value) {
  const uint32_t sign = bits_of(value) & 0x80000000U;
  const uint32_t magnitude = bits_of(value) & 0x7FFFFFFFU;
  const uint32_t small = bits_of((from_bits(magnitude) + 0.5F) - 0.5F);
  const uint32_t normal = bits_of(without_bits(from_bits(magnitude), 13));
  const uint32_t is_small = magnitude < bits_of(0x1p-14F) ? 0xFFFFFFFFU : 0U;
  return from_bits(sign | (small & is_small) | (normal & ~is_small));
}

inline float widened_fp16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = half & 0x7FFF;
  const float value = rest < 0x400 ? static_cast<float>(rest) * 0x1p-24F : from_bits((rest << 13) + (112U << 23));
  return from_bits(bits_of(value) | sign);
}

inline float number_at(const void* from, Codes::Number number, int64_t index) {
  if (number == Codes::Number::fp32) return static_cast<const float*>(from)[index];
  const uint16_t half = static_cast<const uint16_t*>(from)[index];
  return number == Codes::Number::bf16 ? from_bits(static_cast<uint32_t>(half) << 16) : widened_fp16(half);
}

// Writes what each code stands for in a group of a row.
template <int kLevels>
inline void list_values(const Codes& c, int64_t row, int64_t group, float* __restrict values) {
  const float* const __restrict levels = c.levels;
  const int64_t at = row * c.groups() + group;
  const float scale = number_at(c.scales, c.number, at);
  const float zero = c.zeros == nullptr ? 0.0F : number_at(c.zeros, c.number, at);
  if (c.formula == Codes::Formula::product) {
    for (int i = 0; i < kLevels; ++i) values[i] = as_fp16((levels[i] - zero) * scale);
  } else {
    for (int i = 0; i < kLevels; ++i) values[i] = __builtin_fmaf(levels[i], scale, zero);
    if (c.number == Codes::Number::bf16) {
      for (int i = 0; i < kLevels; ++i) values[i] = as_bf16(values[i]);
    } else if (c.number == Codes::Number::fp16) {
      for (int i = 0; i < kLevels; ++i) values[i] = as_fp16(values[i]);
    }
  }
  if (c.type == Type::bf16) {
    for (int i = 0; i < kLevels; ++i) values[i] = as_bf16(values[i]);
  }
}

template <int kLevels>
inline int code_at(const uint8_t* codes, int64_t column) {
  return kLevels == 16 ? codes[column / 2] >> (column % 2 * 4) & 15 : codes[column] & 31;
}

template <int kLevels>
inline void decode_levels(const Codes& c, int64_t row, int64_t begin, int64_t end, float* to) {
  const uint8_t* const codes = c.codes + row * (kLevels == 16 ? c.in / 2 : c.in);
  alignas(64) float values[kLevels];
  for (int64_t k = begin; k < end;) {
    const int64_t group = k / c.group;
    const int64_t stop = end < (group + 1) * c.group ? end : (group + 1) * c.group;
    list_values<kLevels>(c, row, group, values);
    for (; k + kLanes <= stop; k += kLanes, to += kLanes) {
      store(to, kLevels == 16 ? pick_of_16(values, codes + k / 2) : pick_of_32(values, codes + k));
    }
    for (; k < stop; ++k) *to++ = values[code_at<kLevels>(codes, k)];
  }
}

inline void decode(const Codes& c, int64_t row, int64_t begin, int64_t end, float* to) {
  c.level_count == 16 ? decode_levels<16>(c, row, begin, end, to) : decode_levels<32>(c, row, begin, end, to);
}

}  // namespace
}  // namespace glm::host
