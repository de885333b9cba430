// Sixteen numbers that are computed side by side, in C++ alone. lanes_avx2.h and lanes_avx512.h have the same for sets
// of instructions, and all three give the same bits: every operation rounds once, and sum() adds in one order.
//
// Everything in these headers has internal linkage, because each source that includes one is compiled for other
// instructions.
#pragma once

#include <stdint.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

inline constexpr int kSumsAtOnce = 4;  // that fit into registers beside their operands
inline constexpr int kRowsAtOnce = 2;
inline constexpr int kTileRows = 2;  // of a product of panels, and panels of lanes beside them
inline constexpr int kTilePanels = 1;

struct Lanes {
  float all[kLanes];
};

inline Lanes splat(float value) {
  Lanes lanes{};
  for (float& lane : lanes.all) lane = value;
  return lanes;
}

inline Lanes load(const float* from) {
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = from[i];
  return lanes;
}

inline Lanes load(const uint16_t* from) {  // bf16, the upper halves of floats
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = __builtin_bit_cast(float, static_cast<uint32_t>(from[i]) << 16);
  return lanes;
}

inline void store(float* to, Lanes value) {
  for (int i = 0; i < kLanes; ++i) to[i] = value.all[i];
}

// Numbers that bf16 has.
inline void store(uint16_t* to, Lanes value) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<uint16_t>(__builtin_bit_cast(uint32_t, value.all[i]) >> 16);
}

inline Lanes operator+(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) a.all[i] += b.all[i];
  return a;
}

inline Lanes operator-(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) a.all[i] -= b.all[i];
  return a;
}

inline Lanes operator*(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) a.all[i] *= b.all[i];
  return a;
}

inline Lanes operator/(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) a.all[i] /= b.all[i];
  return a;
}

// Returns a * b + c, rounded once.
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = __builtin_fmaf(a.all[i], b.all[i], c.all[i]);
  return lanes;
}

// Returns the smaller of each two, and b's where one of them isn't a number.
inline Lanes smaller(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) b.all[i] = a.all[i] < b.all[i] ? a.all[i] : b.all[i];
  return b;
}

inline Lanes larger(Lanes a, Lanes b) {
  for (int i = 0; i < kLanes; ++i) b.all[i] = a.all[i] > b.all[i] ? a.all[i] : b.all[i];
  return b;
}

inline float power_of_two(int32_t n) {
  return __builtin_bit_cast(float, (n + 127) << 23);
}

// Returns value * 2^n. whole is kWhole + n, so that n is in its lowest bits; n is from -250 to 250.
inline Lanes scaled(Lanes value, Lanes whole) {
  for (int i = 0; i < kLanes; ++i) {
    const int32_t n = __builtin_bit_cast(int32_t, whole.all[i]) - kBitsOfWhole;
    value.all[i] = value.all[i] * power_of_two(n >> 1) * power_of_two(n - (n >> 1));
  }
  return value;
}

// Adds lane i and lane i + 8 for each i below 8, then i and i + 4, i and i + 2, and the last two.
inline float sum(Lanes value) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) value.all[i] += value.all[i + half];
  }
  return value.all[0];
}

// Returns for each of 16 codes its value. values: [16]. codes: two in a byte, the one in the lower half first.
inline Lanes pick_of_16(const float* values, const uint8_t* codes) {
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = values[codes[i / 2] >> (i % 2 * 4) & 15];
  return lanes;
}

// The same, with a code in each byte. values: [32]
inline Lanes pick_of_32(const float* values, const uint8_t* codes) {
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = values[codes[i] & 31];
  return lanes;
}

// Returns 16 bytes as numbers.
inline Lanes widened_bytes(const uint8_t* bytes) {
  Lanes lanes{};
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = static_cast<float>(bytes[i]);
  return lanes;
}

// Rounds to the nearest number without the last `dropped` bits, and to an even one when two are as near.
inline float without_bits(float value, int dropped) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t half = (1U << (dropped - 1)) - 1 + (bits >> dropped & 1);
  return __builtin_bit_cast(float, (bits + half) & ~((1U << dropped) - 1));
}

inline Lanes rounded_to_bf16(Lanes value) {
  for (float& each : value.all) each = without_bits(each, 16);
  return value;
}

// No value is so large that fp16 lacks it. Below 2^-14 fp16 has steps of 2^-24, as floats have from 0.5 to 1.
inline Lanes rounded_to_fp16(Lanes value) {
  for (float& each : value.all) {
    const float magnitude = __builtin_fabsf(each);
    const float rounded = magnitude < 0x1p-14F ? (magnitude + 0.5F) - 0.5F : without_bits(magnitude, 13);
    each = __builtin_copysignf(rounded, each);
  }
  return value;
}

// Writes sum() of each of four.
inline void sum_each(const Lanes* four, float* to) {
  for (int i = 0; i < 4; ++i) to[i] = sum(four[i]);
}

}  // namespace
}  // namespace glm::host
