#include "kernels/random.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "kernels/philox.h"

namespace glm {

// An explicit generator: the default one opens /dev/urandom and is global.
CpuRandom::CpuRandom(uint64_t seed) : generator_(new_generator(at::kCPU, seed)) {}

at::Tensor CpuRandom::normal(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::randn(shape, generator_, at::TensorOptions(dtype));
}

at::Tensor CpuRandom::exponential(at::IntArrayRef shape) {
  return at::empty(shape, at::kFloat).exponential_(1.0, generator_);
}

namespace {

// How torch launches: blocks of 256 threads, as many as fit on the card at once. In each round a thread draws four
// words of its own, and lane k of them goes to the element k * threads further on. (calc_execution_policy and
// distribution_elementwise_grid_stride_kernel in ATen/native/cuda/DistributionTemplates.h.)
constexpr int64_t kBlock = 256;
constexpr int64_t kBlocksAtOnce = 132 * (2048 / kBlock);

// Fills a tensor with transform(words, lane) and moves *offset on.
template <typename Transform>
at::Tensor draw(at::IntArrayRef shape, uint64_t seed, uint64_t* offset, Transform transform) {
  at::Tensor result = at::empty(shape, at::kFloat);
  const int64_t count = result.numel();
  if (count == 0) return result;
  auto* const out = result.mutable_data_ptr<float>();
  const int64_t threads = kBlock * std::min((count + kBlock - 1) / kBlock, kBlocksAtOnce);
  for (int64_t begin = 0; begin < count; begin += 4 * threads, *offset += 4) {
    for (int64_t thread = 0; thread < threads; ++thread) {
      const philox::Words words = philox::words(seed, static_cast<uint64_t>(thread), *offset / 4);
      int64_t element = begin + thread;
      for (int lane = 0; lane < 4 && element < count; ++lane, element += threads) out[element] = transform(words, lane);
    }
  }
  return result;
}

}  // namespace

at::Tensor CudaRandom::normal(at::IntArrayRef shape, at::ScalarType dtype) {
  TORCH_CHECK(dtype != at::kDouble, "normal numbers in double aren't drawn as a card draws them");
  return draw(shape, seed_, &offset_, [](const philox::Words& words, int lane) { return philox::normal(words, lane); })
      .to(dtype);
}

at::Tensor CudaRandom::exponential(at::IntArrayRef shape) {
  return draw(shape, seed_, &offset_,
              [](const philox::Words& words, int lane) { return philox::exponential(words, lane); });
}

RandomNumbers RandomNumbers::of(Rng rng, uint64_t seed) {
  return RandomNumbers(rng == Rng::cpu ? Stream(CpuRandom(seed)) : Stream(CudaRandom(seed)));
}

at::Tensor RandomNumbers::normal(at::IntArrayRef shape, at::ScalarType dtype) {
  return std::visit([&](auto& stream) { return stream.normal(shape, dtype); }, stream_);
}

at::Tensor RandomNumbers::exponential(at::IntArrayRef shape) {
  return std::visit([&](auto& stream) { return stream.exponential(shape); }, stream_);
}

at::Generator new_generator(at::Device device, uint64_t seed) {
  if (device.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>(seed);
  at::Generator own = at::detail::getCUDAHooks().getNewGenerator(device.index());
  own.set_current_seed(seed);
  return own;
}

}  // namespace glm
