// Adds the parts in which a split product leaves its sums.
#pragma once

#include <stdint.h>

namespace glm::cuda {

// Adds four neighbours at each of kCount places. The parts of place n lie at from[n], from[n] + stride, … and are added
// in order; stride counts floats. Three parts are loaded at a time, so that one wait for memory serves three parts.
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
