// Sixteen numbers that are computed side by side. There is one version for each set of instructions, and all of them
// give the same bits: every operation rounds once, and sum() adds in one order.
//
// Everything here has internal linkage, because each source that includes it is compiled for other instructions.
#pragma once

#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace glm::host {
namespace {

inline constexpr int kLanes = 16;

#if defined(__AVX512F__)

struct Lanes {
  __m512 all;
};
inline constexpr int kSumsAtOnce = 24;  // that fit into registers beside their operands
inline constexpr int kRowsAtOnce = 4;

inline Lanes splat(float value) {
  return {_mm512_set1_ps(value)};
}
inline Lanes load(const float* from) {
  return {_mm512_loadu_ps(from)};
}
inline Lanes load(const uint16_t* from) {  // bf16, the upper halves of floats
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
inline void store(float* to, Lanes value) {
  _mm512_storeu_ps(to, value.all);
}
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm512_fmadd_ps(a.all, b.all, c.all)};
}
inline __m256 halves_added(Lanes value) {
  const __m256d upper = _mm512_extractf64x4_pd(_mm512_castps_pd(value.all), 1);
  return _mm256_add_ps(_mm512_castps512_ps256(value.all), _mm256_castpd_ps(upper));
}

#elif defined(__AVX2__)

struct Lanes {
  __m256 low, high;
};
inline constexpr int kSumsAtOnce = 6;
inline constexpr int kRowsAtOnce = 2;

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
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline __m256 halves_added(Lanes value) {
  return _mm256_add_ps(value.low, value.high);
}

#else

struct Lanes {
  float all[kLanes];
};
inline constexpr int kSumsAtOnce = 4;
inline constexpr int kRowsAtOnce = 2;

inline Lanes splat(float value) {
  Lanes lanes;
  for (float& lane : lanes.all) lane = value;
  return lanes;
}
inline Lanes load(const float* from) {
  Lanes lanes;
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = from[i];
  return lanes;
}
inline Lanes load(const uint16_t* from) {
  Lanes lanes;
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = __builtin_bit_cast(float, static_cast<uint32_t>(from[i]) << 16);
  return lanes;
}
inline void store(float* to, Lanes value) {
  for (int i = 0; i < kLanes; ++i) to[i] = value.all[i];
}
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
  Lanes lanes;
  for (int i = 0; i < kLanes; ++i) lanes.all[i] = __builtin_fmaf(a.all[i], b.all[i], c.all[i]);
  return lanes;
}

#endif

// Adds lane i and lane i + 8 for each i below 8, then i and i + 4, i and i + 2, and the last two.
inline float sum(Lanes value) {
#if defined(__AVX2__)
  const __m256 eight = halves_added(value);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) value.all[i] += value.all[i + half];
  }
  return value.all[0];
#endif
}

// Writes sum() of each of four, which costs less together.
inline void sum_each(const Lanes* four, float* to) {
#if defined(__AVX512F__)
  // [a.low + a.high, b.low + b.high], likewise of c and d; then the quarters of all four; then as in sum().
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
#else
  for (int i = 0; i < 4; ++i) to[i] = sum(four[i]);
#endif
}

// Loads the first `count` numbers, or 16 where there are more. The other lanes are 0.
template <typename T>
inline Lanes load_some(const T* from, int64_t count) {
  if (count >= kLanes) return load(from);
  T padded[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = from[i];
  return load(padded);
}

}  // namespace
}  // namespace glm::host
