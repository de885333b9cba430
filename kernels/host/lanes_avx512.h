// lanes_plain.h for processors with AVX-512.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

inline constexpr int kSumsAtOnce = 24;
inline constexpr int kRowsAtOnce = 4;
inline constexpr int kTileRows = 12;
inline constexpr int kTilePanels = 2;

struct Lanes {
  __m512 all;
};

inline Lanes splat(float value) {
  return {_mm512_set1_ps(value)};
}

inline Lanes load(const float* from) {
  return {_mm512_loadu_ps(from)};
}

inline Lanes load(const uint16_t* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}

inline void store(float* to, Lanes value) {
  _mm512_storeu_ps(to, value.all);
}

inline void store(uint16_t* to, Lanes value) {
  const __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(value.all), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(upper));
}

inline Lanes operator+(Lanes a, Lanes b) {
  return {_mm512_add_ps(a.all, b.all)};
}

inline Lanes operator-(Lanes a, Lanes b) {
  return {_mm512_sub_ps(a.all, b.all)};
}

inline Lanes operator*(Lanes a, Lanes b) {
  return {_mm512_mul_ps(a.all, b.all)};
}

inline Lanes operator/(Lanes a, Lanes b) {
  return {_mm512_div_ps(a.all, b.all)};
}

inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm512_fmadd_ps(a.all, b.all, c.all)};
}

inline Lanes smaller(Lanes a, Lanes b) {
  return {_mm512_min_ps(a.all, b.all)};
}

inline Lanes larger(Lanes a, Lanes b) {
  return {_mm512_max_ps(a.all, b.all)};
}

inline __m512 power_of_two(__m512i n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}

inline Lanes scaled(Lanes value, Lanes whole) {
  const __m512i n = _mm512_sub_epi32(_mm512_castps_si512(whole.all), _mm512_set1_epi32(kBitsOfWhole));
  const __m512i half = _mm512_srai_epi32(n, 1);
  return {_mm512_mul_ps(_mm512_mul_ps(value.all, power_of_two(half)), power_of_two(_mm512_sub_epi32(n, half)))};
}

// Four together cost less than one by one.
inline Lanes pick_of_16(const float* values, const uint8_t* codes) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  const __m128i all = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));  // more than 4 bits do no harm
  return {_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(all), _mm512_loadu_ps(values))};
}

inline Lanes pick_of_32(const float* values, const uint8_t* codes) {
  const __m512i all = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  return {_mm512_permutex2var_ps(_mm512_loadu_ps(values), all, _mm512_loadu_ps(values + 16))};
}

inline Lanes widened_bytes(const uint8_t* bytes) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))))};
}

inline Lanes rounded_to_bf16(Lanes value) {
  const __m512i bits = _mm512_castps_si512(value.all);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
  return {_mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))))};
}

inline Lanes rounded_to_fp16(Lanes value) {
  return {_mm512_cvtph_ps(_mm512_cvtps_ph(value.all, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))};
}

inline void sum_each(const Lanes* four, float* to) {
  // [a.low + a.high, b.low + b.high], likewise of c and d; then the quarters of all four, and so on.
  const auto eights = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  };
  const __m512 ab = eights(four[0].all, four[1].all);
  const __m512 cd = eights(four[2].all, four[3].all);
  const __m512 fours = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  const __m512 twos = _mm512_add_ps(fours, _mm512_permute_ps(fours, 0x4e));
  const __m512 ones = _mm512_add_ps(twos, _mm512_permute_ps(twos, 0xb1));
  const __m512i firsts = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
  _mm_storeu_ps(to, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, ones)));
}

inline float sum(Lanes value) {
  const Lanes four[4] = {value, value, value, value};
  float sums[4];
  sum_each(four, sums);
  return sums[0];
}

}  // namespace
}  // namespace glm::host
