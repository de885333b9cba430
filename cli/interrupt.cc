#include "cli/interrupt.h"

#include <csignal>

namespace glm::cli {
namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};

CancelToken g_interrupted;
volatile std::sig_atomic_t g_signal = 0;

void interrupt(int signal) {
  g_signal = signal;
  g_interrupted.cancel();
  release_interrupts();
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
