// Sums over a block. Their order is fixed, so a sum has the same bits every time.
#pragma once

#include <stdint.h>

namespace glm::cuda {

constexpr int kSumSlots = 32;  // warps of the largest block

// Returns the sum over all threads of the block, to each of them. `slots` is kSumSlots numbers of shared memory; a
// barrier stands at the beginning, so that calls may follow each other. T is float, uint32_t or uint64_t.
template <typename T>
GLM_DEVICE T block_sum(T value, T* slots) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) value += simt::shuffle_xor(value, mask);
  simt::sync();
  if (simt::block_thread() % 32 == 0) slots[simt::block_thread() / 32] = value;
  simt::sync();
  const int lane = simt::block_thread() % 32;
  value = lane < simt::block_threads() / 32 ? slots[lane] : T{0};
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) value += simt::shuffle_xor(value, mask);
  return value;
}

// Returns the largest value likewise.
template <typename T>
GLM_DEVICE T block_largest(T value, T* slots) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    const T other = simt::shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  simt::sync();
  if (simt::block_thread() % 32 == 0) slots[simt::block_thread() / 32] = value;
  simt::sync();
  const int lane = simt::block_thread() % 32;
  value = slots[lane < simt::block_threads() / 32 ? lane : 0];
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    const T other = simt::shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

// Returns the sum over the threads before this one.
GLM_DEVICE uint32_t sum_before(uint32_t value, uint32_t* slots) {
  uint32_t running = value;
#pragma unroll
  for (int delta = 1; delta < 32; delta *= 2) {
    const uint32_t below = simt::shuffle_up(running, delta);
    if (simt::block_thread() % 32 >= delta) running += below;
  }
  simt::sync();
  if (simt::block_thread() % 32 == 31) slots[simt::block_thread() / 32] = running;
  simt::sync();
  for (int w = 0; w < simt::block_thread() / 32; ++w) running += slots[w];
  return running - value;
}

}  // namespace glm::cuda
