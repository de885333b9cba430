#include "engine/checkpoint/random_weights.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <array>
#include <cmath>

namespace glm {
namespace {

uint64_t fnv1a64(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

at::Generator generator(at::Device device, uint64_t seed) {
  if (device.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>(seed);
  at::Generator own = at::detail::getCUDAHooks().getNewGenerator(device.index());
  own.set_current_seed(seed);
  return own;
}

bool is_embedding(const std::string& name) {
  for (const char* table :
       {"shared.weight", "embed_tokens.weight", "prior_token_embedding.weight", "relative_attention_bias.weight"}) {
    if (name.ends_with(table)) return true;
  }
  return false;
}

}  // namespace

at::Tensor random_weight(const std::string& name, at::IntArrayRef shape, const at::TensorOptions& options) {
  const bool bias = name.ends_with("bias");
  if (shape.size() == 1 && !bias) return at::ones(shape, options);
  const auto inputs = static_cast<double>(c10::multiply_integers(shape.slice(1)));
  const double deviation = bias ? 0.02 : is_embedding(name) ? 1.0 : 1.0 / std::sqrt(inputs);
  return at::empty(shape, options).normal_(0.0, deviation, generator(options.device(), fnv1a64(name)));
}

}  // namespace glm
