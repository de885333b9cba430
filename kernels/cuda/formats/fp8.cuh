// Weights in e4m3.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Fp8Format> {
  // Bytes 0, 2 or 1, 3 of a word as two bf16: the seven bits of exponent and fraction move to the top of bf16's, where
  // they mean 2^-120 of their value; the product with 2^120 is exact.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t /*exponents*/) {
    const uint32_t bytes = words[2 * j + i / 2];
    const uint32_t high = i % 2 == 0 ? bytes << 8 : bytes;
    return simt::multiply_bf16x2((high & 0x80008000u) | (high >> 4 & 0x07F007F0u), 0x7B807B80u);
  }
};

}  // namespace glm::cuda
