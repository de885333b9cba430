#include "engine/random.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace glm {

// An explicit generator: the default one opens /dev/urandom and is global.
CpuRandom::CpuRandom(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

at::Tensor CpuRandom::normal(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::randn(shape, generator_, at::TensorOptions(dtype));
}

at::Tensor CpuRandom::exponential(at::IntArrayRef shape) {
  return at::empty(shape, at::kFloat).exponential_(1.0, generator_);
}

}  // namespace glm
