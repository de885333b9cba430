#include <cpuid.h>

#include "kernels/host/processor.h"

namespace glm::host {
namespace {

// Says whether the processor has F16C. Clang 14's __builtin_cpu_supports doesn't know that name.
bool converts_fp16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

}  // namespace

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> runnable;
  if (__builtin_cpu_supports("avx512f")) runnable.push_back(&kAvx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && converts_fp16()) runnable.push_back(&kAvx2);
  runnable.push_back(&kPlain);
  return runnable;
}

bool multiplies_bf16() {
  return __builtin_cpu_supports("avx512bf16");
}

}  // namespace glm::host
