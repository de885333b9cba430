// The blocks of a launch that all run at once, and wait for each other between its calls; and their teams.
#pragma once

#include <stdint.h>

namespace glm::cuda {

constexpr int kWarps = 8;  // of a team
constexpr int kThreads = 32 * kWarps;

// This team among those of all blocks: the teams of a block stand far apart, so that each block gets one piece of work
// more before any gets two.
GLM_DEVICE int team_place() {
  return simt::team() * simt::blocks() + simt::block().x;
}
GLM_DEVICE int team_count() {
  return simt::teams() * simt::blocks();
}

class Grid {
 public:
  GLM_DEVICE explicit Grid(uint32_t* counter) : counter_(counter) {}

  // What all threads of this block have written is there for who has waited; the block's shared memory is free.
  GLM_DEVICE void arrive() {
    simt::sync();
    if (simt::block_thread() == 0) was_ = simt::arrive_at_grid(counter_);
    pending_ = true;
  }
  // For all blocks. Nothing where none has arrived since.
  GLM_DEVICE void wait() {
    if (!pending_) return;
    if (simt::block_thread() == 0) simt::wait_for_grid(counter_, was_);
    simt::sync();
    pending_ = false;
  }

 private:
  uint32_t* counter_;
  uint32_t was_ = 0;
  bool pending_ = false;
};

}  // namespace glm::cuda
