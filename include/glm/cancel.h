#pragma once

#include <atomic>

namespace glm {

// Ends the calls that it is given to, from any thread or from a signal's handler.
class CancelToken {
 public:
  void cancel() noexcept { cancelled_ = true; }
  bool cancelled() const noexcept { return cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace glm
