#include "kernels/host/bodies.h"

namespace glm::host {

extern const Kernels k_avx512;
const Kernels k_avx512 = {"avx512", multiply, attend};

}  // namespace glm::host
