// Weights in e4m3.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Fp8Format> {
  // Bytes 0 and 2 of a word (even i) or 1 and 3, as two bf16. The exponent's four bits become the lowest of bf16's
  // exponent, and the fraction's three the highest of its fraction. As bf16 they mean 2^-120 of their value, and the
  // product with 2^120 is exact.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t /*exponents*/) {
    const uint32_t bytes = words[2 * j + i / 2];
    const uint32_t high = i % 2 == 0 ? bytes << 8 : bytes;
    return simt::multiply_bf16x2((high & 0x80008000u) | (high >> 4 & 0x07F007F0u), 0x7B807B80u);
  }
};

}  // namespace glm::cuda
