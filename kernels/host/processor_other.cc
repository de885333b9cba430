#include "kernels/host/processor.h"

namespace glm::host {

std::vector<const Kernels*> runnable_kernels() {
  return {&kPlain};
}

}  // namespace glm::host
