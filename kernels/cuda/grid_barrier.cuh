// The barrier at which all blocks of a launch wait for each other between its calls, and the numbers of the blocks'
// teams. All blocks of a launch run at once.
#pragma once

#include <stdint.h>

namespace glm::cuda {

constexpr int kWarps = 8;  // of a team
constexpr int kThreads = 32 * kWarps;

// Returns this team's number among the teams of all blocks. Pieces of work go to the teams by these numbers. Every
// block's first team comes before any block's second one, so that the work is spread over all blocks.
GLM_DEVICE int team_place() {
  return simt::team() * simt::blocks() + simt::block().x;
}
GLM_DEVICE int team_count() {
  return simt::teams() * simt::blocks();
}

class GridBarrier {
 public:
  GLM_DEVICE explicit GridBarrier(uint32_t* counter) : counter_(counter) {}

  // Says that this block has come. What its threads have written is visible to every block that has waited, and its
  // shared memory is free for other use.
  GLM_DEVICE void arrive() {
    simt::sync();
    if (simt::block_thread() == 0) was_ = simt::arrive_at_grid_barrier(counter_);
    pending_ = true;
  }
  // Waits until all blocks have come. Does nothing if this block hasn't come again since it last waited.
  GLM_DEVICE void wait() {
    if (!pending_) return;
    if (simt::block_thread() == 0) simt::wait_for_grid_barrier(counter_, was_);
    simt::sync();
    pending_ = false;
  }

 private:
  uint32_t* counter_;
  uint32_t was_ = 0;
  bool pending_ = false;
};

}  // namespace glm::cuda
