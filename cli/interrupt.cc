#include "cli/interrupt.h"

#include <csignal>
#include <ctime>

namespace glm::cli {
namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};

CancelToken g_interrupted;
volatile std::sig_atomic_t g_signal = 0;    // the first that came; 0: none
volatile std::sig_atomic_t g_first_ms = 0;  // milliseconds() when it came

// Returns the time of a clock that begins again after eleven days, so that it fits sig_atomic_t.
std::sig_atomic_t milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::sig_atomic_t>(now.tv_sec % 1'000'000 * 1000 + now.tv_nsec / 1'000'000);
}

// A program such as timeout sends SIGTERM twice at once, to its child and to the group: that is one interruption.
void interrupt(int signal) {
  if (g_signal == 0) {
    g_first_ms = milliseconds();
    g_signal = signal;
    g_interrupted.cancel();
  } else if (signal == SIGINT || milliseconds() - g_first_ms > 200) {
    release_interrupts();
    std::raise(signal);
  }
}

}  // namespace

const CancelToken& catch_interrupts() {
  for (const int signal : kInterrupts) {
    // A signal that our parent ignores (nohup, a script's background job) stays ignored.
    if (std::signal(signal, interrupt) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  std::signal(SIGPIPE, SIG_IGN);
  return g_interrupted;
}

void release_interrupts() {
  for (const int signal : kInterrupts) {
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

void end_if_interrupted() {
  if (g_signal == 0) return;
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, g_signal);
  std::signal(g_signal, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
  std::raise(g_signal);
}

}  // namespace glm::cli
