// Turns codes into the numbers that they stand for, and multiplies by them (codes.h). It is included as bodies.h is,
// after bodies.h and a header of tables.
#pragma once

#include "kernels/host/codes.h"

namespace glm::host {
namespace {

inline float widened_fp16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = half & 0x7FFF;
  const float value =
      rest < 0x400 ? static_cast<float>(rest) * 0x1p-24F : __builtin_bit_cast(float, (rest << 13) + (112U << 23));
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, value) | sign);
}

inline float number_at(const void* from, Codes::Number number, int64_t index) {
  if (number == Codes::Number::fp32) return static_cast<const float*>(from)[index];
  const uint16_t half = static_cast<const uint16_t*>(from)[index];
  return number == Codes::Number::bf16 ? __builtin_bit_cast(float, static_cast<uint32_t>(half) << 16)
                                       : widened_fp16(half);
}

// Returns the numbers of 16 levels of a group.
inline Lanes numbers_of(const Codes& c, Lanes levels, float scale, float zero) {
  Lanes numbers = splat(0.0f);
  if (c.formula == Codes::Formula::sum) {
    numbers = multiply_add(levels, splat(scale), splat(zero));
    if (c.number == Codes::Number::bf16) numbers = rounded_to_bf16(numbers);
  } else {
    numbers = (levels - splat(zero)) * splat(scale);
  }
  const bool sum_in_fp16 = c.formula == Codes::Formula::sum && c.number == Codes::Number::fp16;
  if (sum_in_fp16 || c.formula == Codes::Formula::fp16_product) numbers = rounded_to_fp16(numbers);
  return c.type == Type::bf16 ? rounded_to_bf16(numbers) : numbers;
}

template <int kLevels>
inline int code_at(const uint8_t* codes, int64_t column) {
  return kLevels == 16 ? codes[column / 2] >> (column % 2 * 4) & 15 : codes[column] & 31;
}

// The columns k .. stop-1 of a row. All of them belong to one group.
struct ColumnsOfGroup {
  const uint8_t* codes;  // of the whole row
  int64_t k;
  int64_t stop;
  float scale;
  float zero;
};

// Writes the numbers of these columns.
template <int kLevels>
inline void decode_group(const Codes& c, const ColumnsOfGroup& columns, float* to) {
  alignas(64) float numbers[kLevels];
  for (int i = 0; i < kLevels; i += kLanes) {
    store(numbers + i, numbers_of(c, load(c.levels + i), columns.scale, columns.zero));
  }
  const auto at = [&columns](int64_t column) { return columns.codes + (kLevels == 16 ? column / 2 : column); };
  int64_t k = columns.k;
  if (c.type == Type::bf16) {
    const int64_t at_once = int64_t{2} * kLanes;
    const Bf16Table<kLevels> table(numbers);
    for (; k + at_once <= columns.stop; k += at_once, to += at_once) table.pick_32(at(k), to);
  }
  for (; k + kLanes <= columns.stop; k += kLanes, to += kLanes) {
    store(to, kLevels == 16 ? pick_of_16(numbers, at(k)) : pick_of_32(numbers, at(k)));
  }
  for (; k < columns.stop; ++k) *to++ = numbers[code_at<kLevels>(columns.codes, k)];
}

// The same with 256 levels, which have no table.
inline void decode_bytes(const Codes& c, const ColumnsOfGroup& columns, float* to) {
  const auto numbers_at = [&](const uint8_t* codes) {
    return numbers_of(c, widened_bytes(codes) - splat(128.0f), columns.scale, 0.0f);
  };
  int64_t k = columns.k;
  for (; k + kLanes <= columns.stop; k += kLanes, to += kLanes) store(to, numbers_at(columns.codes + k));
  if (k == columns.stop) return;
  uint8_t padded[kLanes] = {};
  float last[kLanes];
  for (int64_t i = k; i < columns.stop; ++i) padded[i - k] = columns.codes[i];
  store(last, numbers_at(padded));
  for (int64_t i = k; i < columns.stop; ++i) to[i - k] = last[i - k];
}

inline void decode(const Codes& c, int64_t row, int64_t begin, int64_t end, float* to) {
  const uint8_t* const codes = c.codes + row * (c.level_count == 16 ? c.in / 2 : c.in);
  for (int64_t k = begin; k < end;) {
    const int64_t group = k / c.group;
    const int64_t stop = end < (group + 1) * c.group ? end : (group + 1) * c.group;
    const int64_t at = row * c.groups() + group;
    const float zero = c.zeros == nullptr ? 0.0f : number_at(c.zeros, c.number, at);
    const ColumnsOfGroup columns{codes, k, stop, number_at(c.scales, c.number, at), zero};
    if (c.level_count == 16) {
      decode_group<16>(c, columns, to);
    } else if (c.level_count == 32) {
      decode_group<32>(c, columns, to);
    } else {
      decode_bytes(c, columns, to);
    }
    to += stop - k;
    k = stop;
  }
}

inline constexpr int64_t kColumnsAtOnce = 256;  // of kOutsInCache rows: their numbers lie in the first cache

// The sums of kOutsInCache outputs and up to 16 rows, between one part of the columns and the next.
using CarriedSums = Lanes[kOutsInCache][kMostRows];

template <int kOuts, int kRows>
inline void add_carried(CarriedSums& carried, const float* numbers, const Product& part, int64_t row, int64_t out) {
  Lanes sums[kOuts][kRows];
#pragma GCC unroll 16
  for (int o = 0; o < kOuts; ++o) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sums[o][r] = carried[out + o][row + r];
  }
  add_block<kOuts, kRows, float>(sums, numbers + out * part.in, part.x + row * part.x_stride, part, nullptr, 0);
#pragma GCC unroll 16
  for (int o = 0; o < kOuts; ++o) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) carried[out + o][row + r] = sums[o][r];
  }
}

// Takes as many rows at once as there are left, and at most kRows. outs: how many rows of the weight are numbers
template <int kRows>
inline void add_rows(CarriedSums& carried, const float* numbers, const Product& part, int64_t row, int64_t outs) {
  if constexpr (kRows > 1) {
    if (part.rows - row < kRows) return add_rows<kRows - 1>(carried, numbers, part, row, outs);
  }
  constexpr int together = outs_at_once(kRows);
  int64_t out = 0;
  for (; out + together <= outs; out += together) add_carried<together, kRows>(carried, numbers, part, row, out);
  for (; out < outs; ++out) add_carried<1, kRows>(carried, numbers, part, row, out);
}

// Asks for a row's codes, so that they are in the second cache when they are needed. No processor guesses so many rows.
inline void prefetch_codes(const Codes& c, int64_t row, int64_t begin, int64_t end) {
  constexpr int64_t line = 64;
  const int64_t divisor = c.level_count == 16 ? 2 : 1;
  const uint8_t* const codes = c.codes + row * (c.in / divisor);
  for (int64_t at = begin / divisor; at < end / divisor; at += line) __builtin_prefetch(codes + at, 0, 2);
}

// Multiplies up to 16 rows of x by kOutsInCache rows of the weight, or fewer.
inline void multiply_coded_outs(const Product& p, const Codes& c, int64_t out, int64_t outs) {
  alignas(64) float numbers[kOutsInCache * kColumnsAtOnce];
  CarriedSums carried;
  for (int64_t o = 0; o < outs; ++o) {
    for (int64_t r = 0; r < p.rows; ++r) carried[o][r] = splat(0.0f);
  }
  Product part = p;
  for (int64_t k = 0; k < c.in; k += kColumnsAtOnce) {
    part.in = c.in - k < kColumnsAtOnce ? c.in - k : kColumnsAtOnce;
    part.x = p.x + k;
    for (int64_t o = 0; o < outs; ++o) {
      prefetch_codes(c, out + o + kOutsInCache, k, k + part.in);
      decode(c, out + o, k, k + part.in, numbers + o * part.in);
    }
    for (int64_t row = 0; row < p.rows; row += kRowsAtOnce) add_rows<kRowsAtOnce>(carried, numbers, part, row, outs);
  }
  for (int64_t o = 0; o < outs; ++o) {
    for (int64_t r = 0; r < p.rows; ++r) p.y[r * p.y_stride + out + o] = sum(carried[o][r]);
  }
}

inline void multiply_codes(const Product& p, const Codes& c, int64_t begin, int64_t end) {
  for (int64_t out = begin; out < end; out += kOutsInCache) {
    multiply_coded_outs(p, c, out, end - out < kOutsInCache ? end - out : kOutsInCache);
  }
}

}  // namespace
}  // namespace glm::host
