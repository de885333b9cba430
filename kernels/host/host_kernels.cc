#include "kernels/host/host_kernels.h"

#include <string_view>

#include "kernels/host/processor.h"

namespace glm::host {

const Kernels* kernels_named(const char* name) {
  for (const Kernels* kernels : runnable_kernels()) {
    if (std::string_view(kernels->name) == name) return kernels;
  }
  return nullptr;
}

const Kernels& best_kernels() {
  static const Kernels& best = *runnable_kernels().front();
  return best;
}

}  // namespace glm::host
