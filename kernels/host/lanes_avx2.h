// lanes_plain.h for processors with AVX2, FMA and F16C.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

inline constexpr int kSumsAtOnce = 6;
inline constexpr int kRowsAtOnce = 2;
inline constexpr int kTileRows = 6;
inline constexpr int kTilePanels = 1;

struct Lanes {
  __m256 low, high;
};

inline Lanes splat(float value) {
  return {_mm256_set1_ps(value), _mm256_set1_ps(value)};
}

inline Lanes load(const float* from) {
  return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

inline __m256 widened(const uint16_t* from) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

inline Lanes load(const uint16_t* from) {
  return {widened(from), widened(from + 8)};
}

inline void store(float* to, Lanes value) {
  _mm256_storeu_ps(to, value.low);
  _mm256_storeu_ps(to + 8, value.high);
}

inline void store(uint16_t* to, Lanes value) {
  const auto upper = [](__m256 eight) { return _mm256_srli_epi32(_mm256_castps_si256(eight), 16); };
  const __m256i mixed = _mm256_packus_epi32(upper(value.low), upper(value.high));  // quarters: 0, 2, 1, 3
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(mixed, 0xd8));
}

inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

inline Lanes operator/(Lanes a, Lanes b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}

inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

inline Lanes smaller(Lanes a, Lanes b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}

inline Lanes larger(Lanes a, Lanes b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

inline __m256 power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

inline __m256 scaled_half(__m256 value, __m256 whole) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(whole), _mm256_set1_epi32(kBitsOfWhole));
  const __m256i half = _mm256_srai_epi32(n, 1);
  return _mm256_mul_ps(_mm256_mul_ps(value, power_of_two(half)), power_of_two(_mm256_sub_epi32(n, half)));
}

inline Lanes scaled(Lanes value, Lanes whole) {
  return {scaled_half(value.low, whole.low), scaled_half(value.high, whole.high)};
}

inline float sum(Lanes value) {
  const __m256 eight = _mm256_add_ps(value.low, value.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// Returns for each of 8 codes its value of 8, by the lowest three bits.
inline __m256 pick_of_8(const float* values, __m256i codes) {
  return _mm256_permutevar8x32_ps(_mm256_loadu_ps(values), codes);
}

// Returns `set` where bit number `bit` of a code is set, and `clear` elsewhere.
template <int bit>
inline __m256 by_bit(__m256i codes, __m256 clear, __m256 set) {
  return _mm256_blendv_ps(clear, set, _mm256_castsi256_ps(_mm256_slli_epi32(codes, 31 - bit)));
}

inline __m256 pick_half_of_16(const float* values, __m256i codes) {
  return by_bit<3>(codes, pick_of_8(values, codes), pick_of_8(values + 8, codes));
}

inline __m256 pick_half_of_32(const float* values, __m256i codes) {
  return by_bit<4>(codes, pick_half_of_16(values, codes), pick_half_of_16(values + 16, codes));
}

inline Lanes pick_of_16(const float* values, const uint8_t* codes) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  const __m128i all = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));  // more than 4 bits do no harm
  return {pick_half_of_16(values, _mm256_cvtepu8_epi32(all)),
          pick_half_of_16(values, _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(all, all)))};
}

inline Lanes pick_of_32(const float* values, const uint8_t* codes) {
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  return {pick_half_of_32(values, _mm256_cvtepu8_epi32(all)),
          pick_half_of_32(values, _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(all, all)))};
}

inline __m256 widened_half(const uint8_t* bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
}

inline Lanes widened_bytes(const uint8_t* bytes) {
  return {widened_half(bytes), widened_half(bytes + 8)};
}

inline __m256 half_to_bf16(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  return _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))));
}

inline Lanes rounded_to_bf16(Lanes value) {
  return {half_to_bf16(value.low), half_to_bf16(value.high)};
}

inline __m256 half_to_fp16(__m256 value) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline Lanes rounded_to_fp16(Lanes value) {
  return {half_to_fp16(value.low), half_to_fp16(value.high)};
}

inline void sum_each(const Lanes* four, float* to) {
  for (int i = 0; i < 4; ++i) to[i] = sum(four[i]);
}

}  // namespace
}  // namespace glm::host
