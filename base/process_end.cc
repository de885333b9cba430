#include "base/process_end.h"

#include <atomic>

namespace glm {
namespace {

std::atomic<bool> g_ending = false;

}  // namespace

void begin_process_end() {
  g_ending = true;
}

bool process_is_ending() {
  return g_ending;
}

}  // namespace glm
