// SDNQ's uint4, with a scale and a zero in fp32 for each group.
#pragma once

#include "kernels/cuda/formats/levels.cuh"

namespace glm::cuda {

template <>
struct Operand<Sdnq4Format> {
  struct Scales {
    uint32_t exponents;
    float scale[2];  // of the rows g and g + 8
    float zero[2];

    GLM_DEVICE Scales(const char* from, uint32_t own_exponents) : exponents(own_exponents) {
      const simt::Words4 v = simt::load16(from);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        scale[h] = simt::bits_to_float(v.word[2 * h]);
        zero[h] = simt::bits_to_float(v.word[2 * h + 1]);
      }
    }
  };

  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, const Scales& s) {
    const int h = i % 2;
    const simt::Floats2 level = simt::fp16_to_floats(levels_of(words, j, i, s.exponents, undo(i)));
    return simt::pack_bf16(simt::multiply_add(level.low, s.scale[h], s.zero[h]),
                           simt::multiply_add(level.high, s.scale[h], s.zero[h]));
  }
};

}  // namespace glm::cuda
