// Converts between the bits of a bf16 and fp32.
#pragma once

#include "kernels/cuda/parameters.h"

namespace glm::cuda {

GLM_DEVICE float of_bf16(bf16_bits bits) {
  return simt::bits_to_float(static_cast<uint32_t>(bits) << 16);
}
GLM_DEVICE bf16_bits to_bf16(float value) {
  return static_cast<bf16_bits>(simt::pack_bf16(value, 0.0f) & 0xFFFFu);
}

// These convert four or eight neighbouring numbers. In memory they are bf16, and two of them share a word. The kernels
// compute with them in fp32.
GLM_DEVICE void unpack(const simt::Words2& packed, float (&to)[4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k) to[k] = of_bf16(static_cast<bf16_bits>(packed.word[k / 2] >> 16 * (k % 2)));
}
GLM_DEVICE simt::Words2 pack(const float (&from)[4]) {
  return {{simt::pack_bf16(from[0], from[1]), simt::pack_bf16(from[2], from[3])}};
}
GLM_DEVICE void unpack(const simt::Words4& packed, float (&to)[8]) {
#pragma unroll
  for (int k = 0; k < 8; ++k) to[k] = of_bf16(static_cast<bf16_bits>(packed.word[k / 2] >> 16 * (k % 2)));
}
GLM_DEVICE simt::Words4 pack(const float (&from)[8]) {
  return {{simt::pack_bf16(from[0], from[1]), simt::pack_bf16(from[2], from[3]), simt::pack_bf16(from[4], from[5]),
           simt::pack_bf16(from[6], from[7])}};
}

}  // namespace glm::cuda
