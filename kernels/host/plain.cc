#include "kernels/host/bodies.h"

namespace glm::host {

extern const Kernels k_plain;
const Kernels k_plain = {"plain", multiply, attend};

}  // namespace glm::host
