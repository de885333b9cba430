#include "base/quiet_writes.h"

#include <cerrno>
#include <ctime>

namespace glm {
namespace {

constexpr int kSignals[] = {SIGXFSZ, SIGPIPE};

}  // namespace

QuietWrites::QuietWrites() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  sigpending(&pending_before_);
  pthread_sigmask(SIG_BLOCK, &signals, &blocked_before_);
}

QuietWrites::~QuietWrites() {
  const int error = errno;
  // The system sends both to the thread that wrote. So one that is pending now, and wasn't before, is this object's.
  for (const int signal : kSignals) {
    if (sigismember(&pending_before_, signal) == 1) continue;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    const timespec at_once{};
    while (sigtimedwait(&one, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &blocked_before_, nullptr);
  errno = error;
}

}  // namespace glm
