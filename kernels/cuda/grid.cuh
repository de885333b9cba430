// The blocks of a launch that all run at once, and wait for each other between its calls.
#pragma once

#include <stdint.h>

namespace glm::cuda {

constexpr int kThreads = 256;  // of a block

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

}  // namespace glm::cuda
