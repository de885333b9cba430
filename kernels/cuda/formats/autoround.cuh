// AutoRound's codes of four bits, with a scale and a whole zero in fp16 for each group.
#pragma once

#include "kernels/cuda/formats/levels.cuh"

namespace glm::cuda {

template <>
struct Operand<AutoRoundFormat> {
  struct Scales {
    uint32_t exponents;
    uint32_t scale[2];  // of the rows g and g + 8, each twice in a word
    uint32_t less[2];   // what makes level - zero

    GLM_DEVICE Scales(const char* from, uint32_t own_exponents) : exponents(own_exponents) {
      const simt::Words2 v = simt::load8(from);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        scale[h] = simt::permute_bytes(v.word[h], v.word[h], 0x1010u);
        less[h] = simt::add_fp16x2(undo(h), simt::permute_bytes(v.word[h], v.word[h], 0x3232u) ^ 0x80008000u);
      }
    }
  };

  // The product is rounded to fp16, as the package does, and then to bf16.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, const Scales& s) {
    const uint32_t steps = levels_of(words, j, i, s.exponents, s.less[i % 2]);
    const simt::Floats2 v = simt::fp16_to_floats(simt::multiply_fp16x2(steps, s.scale[i % 2]));
    return simt::pack_bf16(v.low, v.high);
  }
};

}  // namespace glm::cuda
