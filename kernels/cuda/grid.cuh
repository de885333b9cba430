// The blocks of a launch that all run at once, and wait for each other between its calls.
#pragma once

#include <stdint.h>

#include "kernels/cuda/block_sum.cuh"

namespace glm::cuda {

constexpr int kWarps = 8;  // of a block
constexpr int kThreads = 32 * kWarps;

class Grid {
 public:
  GLM_DEVICE explicit Grid(uint32_t* counter) : counter_(counter) {}

  // What all threads of this block have written is there for who has waited; the block's shared memory is free.
  GLM_DEVICE void arrive() {
    simt::sync();
    if (simt::thread() == 0) was_ = simt::arrive_at_grid(counter_);
    pending_ = true;
  }
  // For all blocks. Nothing where none has arrived since.
  GLM_DEVICE void wait() {
    if (!pending_) return;
    if (simt::thread() == 0) simt::wait_for_grid(counter_, was_);
    simt::sync();
    pending_ = false;
  }

 private:
  uint32_t* counter_;
  uint32_t was_ = 0;
  bool pending_ = false;
};

constexpr int kMaxBlocks = 512;  // of a launch

struct DealShared {
  uint32_t places[kMaxBlocks];
  uint32_t keys[kMaxBlocks];
  uint32_t slots[kSumSlots];
};

// Where this block stands when work is dealt out, 0 … simt::blocks() - 1: the blocks of one multiprocessor stand far
// apart, so that each multiprocessor gets one more before any gets two. places: [blocks] of device memory
GLM_DEVICE int deal(uint32_t* places, DealShared& s, Grid& grid) {
  const int count = simt::blocks();
  if (simt::thread() == 0) places[simt::block().x] = simt::multiprocessor();
  grid.arrive();
  grid.wait();
  for (int i = simt::thread(); i < count; i += kThreads) s.places[i] = places[i];
  simt::sync();
  for (int i = simt::thread(); i < count; i += kThreads) {
    uint32_t before = 0;  // on the same multiprocessor
#pragma unroll 4
    for (int k = 0; k < i; ++k) before += s.places[k] == s.places[i] ? 1 : 0;
    s.keys[i] = before << 16 | s.places[i];
  }
  simt::sync();
  uint32_t rank = 0;
  for (int i = simt::thread(); i < count; i += kThreads) rank += s.keys[i] < s.keys[simt::block().x] ? 1 : 0;
  const auto place = static_cast<int>(block_sum(rank, s.slots));
  simt::sync();
  return place;
}

}  // namespace glm::cuda
