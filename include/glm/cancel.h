#pragma once

#include <atomic>

namespace glm {

// Ends the calls that it is given to with Error(cancelled). A call under way ends after its next token or step. A call
// that waits for its turn ends at once. A token stays set. Both functions may be called from any thread and from a
// signal's handler.
class CancelToken {
 public:
  void cancel() noexcept { cancelled_ = true; }
  bool cancelled() const noexcept { return cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace glm
