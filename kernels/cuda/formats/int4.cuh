// Weights in int4, with a scale and a zero for each 128 columns of a row.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Int4Format> {
  // Nibbles i and i + 4 as two bf16, each plus 128: behind the exponent of 128 a nibble is the last bits of a bf16.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t exponents) {
    return (words[j] >> 4 * i & 0x000F000Fu) | exponents;
  }
};

}  // namespace glm::cuda
