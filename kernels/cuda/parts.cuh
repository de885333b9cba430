// Sums that a product left in parts.
#pragma once

#include <stdint.h>

namespace glm::cuda {

// Four neighbours: from, from + stride, … parts of them, added in order. The loads don't wait for each other.
GLM_DEVICE void add_parts(const float* from, int64_t stride, int parts, float (&sum)[4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k) sum[k] = 0;
#pragma unroll 1
  for (int first = 0; first < parts; first += 4) {
    simt::Words4 v[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      v[i] = {{0, 0, 0, 0}};
      if (first + i < parts) v[i] = simt::load16(from + (first + i) * stride);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) sum[k] += simt::bits_to_float(v[i].word[k]);
    }
  }
}

}  // namespace glm::cuda
