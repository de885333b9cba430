// Contract: torch's random numbers, which upstream draws with a generator of the same seed, on the CPU or on a card.
//   The prior and the latents each start a stream of their own from the request's seed.
//   Upstream: torch.Generator
// Roofline: compute, on the CPU; kernels/philox.h has numbers.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <utility>
#include <variant>

#include "glm/rng.h"

namespace glm {

// Torch's mt19937, bit for bit. Torch uses the low 32 bits of the seed.
class CpuRandom {
 public:
  explicit CpuRandom(uint64_t seed);

  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype);  // drawn in `dtype`: bf16 isn't the rounded fp32 draw
  at::Tensor exponential(at::IntArrayRef shape);                   // fp32, rate 1

 private:
  at::Generator generator_;
};

// Philox as torch's kernels use it on a card of 132 multiprocessors of 2,048 threads (H100, H200), computed on the CPU.
// kernels/philox.h says which bits are the card's. A call may draw up to 2^29 elements: torch splits larger tensors.
class CudaRandom {
 public:
  explicit CudaRandom(uint64_t seed) : seed_(seed) {}

  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype);  // fp32, bf16 or fp16; the last two are rounded fp32
  at::Tensor exponential(at::IntArrayRef shape);                   // fp32, rate 1

 private:
  uint64_t seed_;
  uint64_t offset_ = 0;  // the generator's, in words that each thread has drawn: a multiple of 4
};

// One of the two streams, chosen at run time.
class RandomNumbers {
 public:
  static RandomNumbers of(Rng rng, uint64_t seed);

  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype);
  at::Tensor exponential(at::IntArrayRef shape);

 private:
  using Stream = std::variant<CpuRandom, CudaRandom>;
  explicit RandomNumbers(Stream stream) : stream_(std::move(stream)) {}

  Stream stream_;
};

// A generator of torch's own for a device, which nobody else draws from. Throws c10::Error when there is no such
// device.
at::Generator new_generator(at::Device device, uint64_t seed);

}  // namespace glm
