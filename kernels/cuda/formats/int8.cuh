// Weights in int8, stored as value + 128.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Int8Format> {
  // Bytes 0 and 2 of a word (even i) or 1 and 3, as two bf16. Behind the exponent of 2^23 a byte is the last bits of
  // the float 2^23 + byte.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t /*exponents*/) {
    const uint32_t bytes = words[2 * j + i / 2];
    const float low = simt::bits_to_float(simt::permute_bytes(bytes, 0x4B000000u, i % 2 == 0 ? 0x7440u : 0x7441u));
    const float high = simt::bits_to_float(simt::permute_bytes(bytes, 0x4B000000u, i % 2 == 0 ? 0x7442u : 0x7443u));
    return simt::pack_bf16(low - 8388736.0f, high - 8388736.0f);
  }
};

}  // namespace glm::cuda
