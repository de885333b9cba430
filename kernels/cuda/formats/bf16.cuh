// Weights in bf16: the words are the operands.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Bf16Format> {
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, uint32_t /*exponents*/) {
    return words[4 * j + i];
  }
};

}  // namespace glm::cuda
