// A bf16's bits and fp32.
#pragma once

#include "kernels/cuda/parameters.h"

namespace glm::cuda {

GLM_DEVICE float of_bf16(bf16_bits bits) {
  return simt::bits_to_float(static_cast<uint32_t>(bits) << 16);
}
GLM_DEVICE bf16_bits to_bf16(float value) {
  return static_cast<bf16_bits>(simt::pack_bf16(value, 0.0f) & 0xFFFFu);
}

}  // namespace glm::cuda
