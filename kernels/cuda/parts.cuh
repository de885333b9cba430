// Adds up the parts of sums. A split product leaves each of its sums in several parts.
#pragma once

#include <stdint.h>

namespace glm::cuda {

// Fills sum[n] with four neighbouring sums, for each of kCount places n. Their first part lies at from[n], and each
// further part lies `stride` floats behind the one before. The parts are added in this order. Three parts are loaded at
// a time, so that the thread waits for memory once for all three.
template <int kCount>
GLM_DEVICE void add_parts(const float* const (&from)[kCount], int64_t stride, int parts, float (&sum)[kCount][4]) {
  constexpr int kAtOnce = 3;
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
    const simt::Words4 v = simt::load16(from[n]);
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[n][k] = simt::bits_to_float(v.word[k]);
  }
#pragma unroll 1
  for (int first = 1; first < parts; first += kAtOnce) {
    simt::Words4 v[kAtOnce][kCount] = {};
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (first + i >= parts) break;
#pragma unroll
      for (int n = 0; n < kCount; ++n) v[i][n] = simt::load16(from[n] + (first + i) * stride);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
      for (int n = 0; n < kCount; ++n) {
#pragma unroll
        for (int k = 0; k < 4; ++k) sum[n][k] += simt::bits_to_float(v[i][n].word[k]);
      }
    }
  }
}

}  // namespace glm::cuda
