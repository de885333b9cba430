// The random numbers of a picture's positions. Each position's numbers are drawn once, in order. If the draw at a
// position was wrong, it uses the same numbers again.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <utility>

#include "kernels/random.h"

namespace glm {

class PositionNumbers {
 public:
  explicit PositionNumbers(RandomNumbers random) : random_(std::move(random)) {}

  // Returns the exponentials of the token that `count` others come before: fp32 [1, ids]. Tokens that have been written
  // have none any more.
  const at::Tensor& exponential(int64_t count, int64_t ids) {
    const auto wanted = static_cast<size_t>(count - written_);
    while (drawn_.size() <= wanted) drawn_.push_back(random_.exponential({1, ids}));
    return drawn_[wanted];
  }

  // Tells that the next `count` tokens have been written.
  void advance(int64_t count) {
    written_ += count;
    for (int64_t i = 0; i < count && !drawn_.empty(); ++i) drawn_.pop_front();
  }

 private:
  RandomNumbers random_;
  int64_t written_ = 0;                // tokens
  std::deque<at::Tensor> drawn_ = {};  // of the positions from written_ on
};

}  // namespace glm
