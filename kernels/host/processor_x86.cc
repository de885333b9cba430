#include "kernels/host/processor.h"

namespace glm::host {

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> runnable;
  if (__builtin_cpu_supports("avx512f")) runnable.push_back(&kAvx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    runnable.push_back(&kAvx2);
  }
  runnable.push_back(&kPlain);
  return runnable;
}

bool multiplies_bf16() {
  return __builtin_cpu_supports("avx512bf16");
}

}  // namespace glm::host
