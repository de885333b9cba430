#include "cli/interrupt.h"

#include <csignal>

namespace glm::cli {
namespace {

CancelToken g_interrupted;

void interrupt(int /*signal*/) {
  g_interrupted.cancel();
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

const CancelToken& catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM}) {
    // A signal that our parent ignores (nohup, a script's background job) stays ignored.
    if (std::signal(signal, interrupt) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  std::signal(SIGPIPE, SIG_IGN);
  return g_interrupted;
}

}  // namespace glm::cli
