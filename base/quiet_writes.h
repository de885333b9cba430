// Lets a write fail that would end the process.
#pragma once

#include <csignal>

namespace glm {

// While it lives, a write of this thread beyond the limit of a file's size fails with EFBIG, and one to a pipe without
// a reader with EPIPE. Without it the system sends SIGXFSZ or SIGPIPE, which end a process that doesn't handle them.
// Other threads and the process's own handlers stay as they are.
class QuietWrites {
 public:
  QuietWrites();
  ~QuietWrites();
  QuietWrites(const QuietWrites&) = delete;
  QuietWrites& operator=(const QuietWrites&) = delete;

 private:
  sigset_t blocked_before_{};
  sigset_t pending_before_{};
};

}  // namespace glm
