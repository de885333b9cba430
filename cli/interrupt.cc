#include "cli/interrupt.h"

#include <csignal>
#include <ctime>

namespace glm::cli {
namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};

CancelToken g_interrupted;
volatile std::sig_atomic_t g_signal = 0;    // the first that came; 0: none
volatile std::sig_atomic_t g_first_ms = 0;  // milliseconds() when it came
bool g_pipe_ends = false;                   // does a closed pipe end the program, but for catch_interrupts()?

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

// Ends the program by a signal, whatever was done about that before.
void end_by(int signal) {
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, signal);
  std::signal(signal, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
  std::raise(signal);
}

}  // namespace

const CancelToken& catch_interrupts() {
  for (const int signal : kInterrupts) {
    // A signal that our parent ignores (nohup, a script's background job) stays ignored.
    if (std::signal(signal, interrupt) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  if (std::signal(SIGPIPE, SIG_IGN) != SIG_IGN) g_pipe_ends = true;
  return g_interrupted;
}

void release_interrupts() {
  for (const int signal : kInterrupts) {
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

void end_if_interrupted() {
  if (g_signal != 0) end_by(g_signal);
}

void end_by_closed_pipe() {
  if (g_pipe_ends) end_by(SIGPIPE);
}

}  // namespace glm::cli
