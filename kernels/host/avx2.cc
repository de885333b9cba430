#include "kernels/host/bodies.h"

namespace glm::host {

extern const Kernels k_avx2;
const Kernels k_avx2 = {"avx2", multiply, attend};

}  // namespace glm::host
