#include "kernels/host/processor.h"

namespace glm::host {

std::vector<const Kernels*> runnable_kernels() {
  return {&kPlain};
}

bool multiplies_bf16() {
  return true;
}

}  // namespace glm::host
