// Torch's CPU random numbers (mt19937), bit for bit: what upstream draws with a CPU generator of the same seed.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace glm {

// A stream of its own. The prior and the latents each start one from the request's seed. Torch uses its low 32 bits.
class CpuRandom {
 public:
  explicit CpuRandom(uint64_t seed);

  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype);  // drawn in `dtype`: bf16 isn't the rounded fp32 draw
  at::Tensor exponential(at::IntArrayRef shape);                   // fp32, rate 1

 private:
  at::Generator generator_;
};

}  // namespace glm
