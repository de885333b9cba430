// Weights in int8, kept as value + 128.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Int8Format> {
  // Bytes 0, 2 or 1, 3 of a word as two bf16: behind 2^23's exponent a byte is a float's last bits.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t /*exponents*/) {
    const uint32_t bytes = words[2 * j + i / 2];
    const float low = simt::bits_to_float(simt::permute_bytes(bytes, 0x4B000000u, i % 2 == 0 ? 0x7440u : 0x7441u));
    const float high = simt::bits_to_float(simt::permute_bytes(bytes, 0x4B000000u, i % 2 == 0 ? 0x7442u : 0x7443u));
    return simt::pack_bf16(low - 8388736.0f, high - 8388736.0f);
  }
};

}  // namespace glm::cuda
