#include "engine/checkpoint/random_weights.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "base/fnv1a.h"
#include "kernels/random.h"

namespace glm {
namespace {

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
  if (options.device().is_meta()) return at::empty(shape, options);  // a shape alone, which has no numbers
  const auto inputs = static_cast<double>(c10::multiply_integers(shape.slice(1)));
  const double deviation = bias ? 0.02 : is_embedding(name) ? 1.0 : 1.0 / std::sqrt(inputs);
  return at::empty(shape, options).normal_(0.0, deviation, new_generator(options.device(), fnv1a64(name)));
}

}  // namespace glm
