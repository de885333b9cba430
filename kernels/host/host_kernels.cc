#include "kernels/host/host_kernels.h"

#include <string_view>

namespace glm::host {

extern const Kernels k_plain;
#if defined(__x86_64__)
extern const Kernels k_avx2;
extern const Kernels k_avx512;
#endif

const Kernels* kernels_named(const char* name) {
  const std::string_view asked = name;
  if (asked == k_plain.name) return &k_plain;
#if defined(__x86_64__)
  if (asked == k_avx2.name && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &k_avx2;
  if (asked == k_avx512.name && __builtin_cpu_supports("avx512f")) return &k_avx512;
#endif
  return nullptr;
}

const Kernels& best_kernels() {
  for (const char* name : {"avx512", "avx2"}) {
    if (const Kernels* found = kernels_named(name)) return *found;
  }
  return k_plain;
}

}  // namespace glm::host
