#include "engine/checkpoint/random_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
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

bool is_of_ones(const std::string& name, at::IntArrayRef shape) {
  return shape.size() == 1 && !name.ends_with("bias");
}

double deviation_of(const std::string& name, at::IntArrayRef shape) {
  if (name.ends_with("bias")) return 0.02;
  if (is_embedding(name)) return 1;
  return 1.0 / std::sqrt(static_cast<double>(c10::multiply_integers(shape.slice(1))));
}

}  // namespace

at::Tensor random_weight(const std::string& name, at::IntArrayRef shape, const at::TensorOptions& options) {
  if (is_of_ones(name, shape)) return at::ones(shape, options);
  if (options.device().is_meta()) return at::empty(shape, options);  // a shape alone, which has no numbers
  return at::empty(shape, options)
      .normal_(0.0, deviation_of(name, shape), new_generator(options.device(), fnv1a64(name)));
}

void draw_random_weight(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype,
                        const std::function<void(const at::Tensor& part)>& take) {
  // torch draws sixteen numbers at a time, and the last ones anew where fewer are left.
  constexpr int64_t at_once = 16;
  const int64_t all = c10::multiply_integers(shape);
  if (is_of_ones(name, shape) || all % at_once != 0) {
    return take(random_weight(name, shape, at::TensorOptions(dtype)).flatten());
  }
  const int64_t most = (int64_t{128} << 20) / static_cast<int64_t>(c10::elementSize(dtype));
  at::Generator generator = new_generator(at::kCPU, fnv1a64(name));
  for (int64_t done = 0; done < all; done += most) {
    at::Tensor part = at::empty({std::min(most, all - done)}, dtype);
    take(part.normal_(0.0, deviation_of(name, shape), generator));
  }
}

}  // namespace glm
