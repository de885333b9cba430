// SDNQ's int5 and float5_e3m1fn as e4m3, with a scale in fp32 for each group.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

template <>
struct Operand<Sdnq5Format> {
  struct Scales {
    float scale[2];  // of the rows g and g + 8, times 256

    GLM_DEVICE Scales(const char* from, uint32_t /*exponents*/) {
      const simt::Words2 v = simt::load8(from);
#pragma unroll
      for (int h = 0; h < 2; ++h) scale[h] = simt::bits_to_float(v.word[h]) * 256.0f;
    }
  };

  // Bytes 0 and 2 of a word (even i) or 1 and 3, as two fp16. The exponent's four bits become the lowest of fp16's
  // exponent, and the fraction's three the highest of its fraction. So they mean 2^-8 of their value.
  GLM_DEVICE static uint32_t word(const uint32_t* words, int j, int i, const Scales& s) {
    const uint32_t bytes = words[2 * j + i / 2];
    const uint32_t high = i % 2 == 0 ? bytes << 8 : bytes;
    const simt::Floats2 level = simt::fp16_to_floats((high & 0x80008000u) | (high >> 1 & 0x3F803F80u));
    return simt::pack_bf16(level.low * s.scale[i % 2], level.high * s.scale[i % 2]);
  }
};

}  // namespace glm::cuda
