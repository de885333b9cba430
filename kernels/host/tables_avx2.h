// tables.h for processors with AVX2: a shuffle of bytes picks from 16 bytes, and 32 codes pick at once. A bf16 number
// is picked as its lower byte and its upper one.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

// 16 numbers, in each half of a register.
struct SplitNumbers {
  __m256i low, high;

  SplitNumbers() = default;
  explicit SplitNumbers(const float* numbers) {
    const auto* const bits = reinterpret_cast<const __m256i*>(numbers);
    const __m256i words = in_order(_mm256_packus_epi32(_mm256_srli_epi32(_mm256_loadu_si256(bits), 16),
                                                       _mm256_srli_epi32(_mm256_loadu_si256(bits + 1), 16)));
    const __m256i bytes =
        in_order(_mm256_packus_epi16(_mm256_and_si256(words, _mm256_set1_epi16(0xFF)), _mm256_srli_epi16(words, 8)));
    low = _mm256_permute2x128_si256(bytes, bytes, 0x00);
    high = _mm256_permute2x128_si256(bytes, bytes, 0x11);
  }

  // Undoes what packing does to the order, because it packs each half of a register by itself.
  static __m256i in_order(__m256i packed) { return _mm256_permute4x64_epi64(packed, 0xD8); }
};

// Writes 32 numbers by their bytes. The two halves of the registers have the columns 0-3, 8-11, 16-19, 24-27, and 4-7,
// 12-15, 20-23, 28-31: interleaved twice, the numbers are in the order of their columns.
inline void store_32(__m256i low, __m256i high, float* to) {
  const __m256i none = _mm256_setzero_si256();
  const __m256i first = _mm256_unpacklo_epi8(low, high);
  const __m256i second = _mm256_unpackhi_epi8(low, high);
  _mm256_storeu_ps(to, _mm256_castsi256_ps(_mm256_unpacklo_epi16(none, first)));
  _mm256_storeu_ps(to + 8, _mm256_castsi256_ps(_mm256_unpackhi_epi16(none, first)));
  _mm256_storeu_ps(to + 16, _mm256_castsi256_ps(_mm256_unpacklo_epi16(none, second)));
  _mm256_storeu_ps(to + 24, _mm256_castsi256_ps(_mm256_unpackhi_epi16(none, second)));
}

template <int kLevels>
class Bf16Table;

template <>
class Bf16Table<16> {
 public:
  explicit Bf16Table(const float* numbers) : numbers_(numbers) {}

  void pick_32(const uint8_t* codes, float* to) const {
    const __m256i order = _mm256_setr_epi8(0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13,  //
                                           2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15);
    const __m256i twice = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))), order);
    const __m256i each = _mm256_or_si256(_mm256_and_si256(twice, _mm256_set1_epi16(0x000F)),
                                         _mm256_and_si256(_mm256_srli_epi16(twice, 4), _mm256_set1_epi16(0x0F00)));
    store_32(_mm256_shuffle_epi8(numbers_.low, each), _mm256_shuffle_epi8(numbers_.high, each), to);
  }

 private:
  SplitNumbers numbers_;
};

template <>
class Bf16Table<32> {
 public:
  explicit Bf16Table(const float* numbers) : below_16_(numbers), from_16_(numbers + 16) {}

  void pick_32(const uint8_t* codes, float* to) const {
    const __m256i each = _mm256_permutevar8x32_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)),
                                                     _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    const __m256i is_from_16 = _mm256_slli_epi16(each, 3);  // in the highest bit of each byte
    const auto pick = [&](__m256i below, __m256i from) {
      return _mm256_blendv_epi8(_mm256_shuffle_epi8(below, each), _mm256_shuffle_epi8(from, each), is_from_16);
    };
    store_32(pick(below_16_.low, from_16_.low), pick(below_16_.high, from_16_.high), to);
  }

 private:
  SplitNumbers below_16_, from_16_;
};

}  // namespace
}  // namespace glm::host
