// Codes of four bits as what they count.
#pragma once

#include "kernels/cuda/linear.cuh"

namespace glm::cuda {

// Returns the nibbles of word i of step j, two fp16, with `less` added to each. Behind the exponent of 1024 a nibble
// makes 1024 + level in even words. In odd words it stands four bits further up and makes 1024 + 16 * level, so that
// every second word needs no shift; it is divided by 16 then. `less` has to be small and whole, and to undo the rest:
// nothing is rounded.
GLM_DEVICE uint32_t levels_of(const uint32_t* words, int j, int i, uint32_t exponents, uint32_t less) {
  const uint32_t nibbles = words[j] >> (i / 2 * 8);
  if (i % 2 == 0) return simt::add_fp16x2((nibbles & 0x000F000Fu) | exponents, less);
  return simt::multiply_add_fp16x2((nibbles & 0x00F000F0u) | exponents, 0x2C002C00u, less);
}

// What undoes it and no more: two fp16 of -1024 or of -64.
constexpr uint32_t undo(int i) {
  return i % 2 == 0 ? 0xE400E400u : 0xD400D400u;
}

}  // namespace glm::cuda
