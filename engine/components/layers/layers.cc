#include "engine/components/layers/layers.h"

#include <ATen/ATen.h>

#include "kernels/rms_norm.h"

namespace glm {

Linear::Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing) {
  keep(w.tensor("weight", {out, in}), packing);
  if (bias == Bias::yes) bias_ = w.tensor("bias", {out});
}

Linear::Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (const Part& part : parts) {
    weights.push_back(part.scope.tensor("weight", {part.out, in}));
    if (bias == Bias::yes) biases.push_back(part.scope.tensor("bias", {part.out}));
  }
  keep(at::cat(weights), packing);
  if (bias == Bias::yes) bias_ = at::cat(biases);
}

void Linear::keep(const at::Tensor& weight, std::optional<Packing> packing) {
  if (packing) {
    packed_.emplace(weight, packing->format, packing->rows);
  } else {
    weight_ = weight;
  }
}

at::Tensor Linear::forward(const at::Tensor& x) const {
  return at::linear(x, packed_ ? packed_->dense() : weight_, bias_);
}

RmsNorm::RmsNorm(const Weights& w, int64_t dim, double eps) : weight_(w.tensor("weight", {dim})), eps_(eps) {}

at::Tensor RmsNorm::forward(const at::Tensor& x) const {
  return rms_norm(x, weight_, eps_);
}

LayerNorm::LayerNorm(const Weights& w, int64_t dim, double eps)
    : weight_(w.tensor("weight", {dim})), bias_(w.tensor("bias", {dim})), eps_(eps) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight_.sizes(), weight_, bias_, eps_);
}

Embedding::Embedding(const Weights& w, int64_t rows, int64_t dim) : weight_(w.tensor("weight", {rows, dim})) {}

at::Tensor Embedding::forward(const at::Tensor& ids) const {
  return at::embedding(weight_, ids);
}

FeedForward::FeedForward(const Weights& w, Dims dims, Activation activation)
    : first_(w / "net.0.proj", dims.in, dims.inner, Linear::Bias::yes),
      second_(w / "net.2", dims.inner, dims.out, Linear::Bias::yes),
      activation_(activation) {}

at::Tensor FeedForward::forward(const at::Tensor& x) const {
  at::Tensor inner = first_.forward(x);
  switch (activation_) {
    case Activation::gelu_erf:
      at::gelu_(inner, "none");
      break;
    case Activation::gelu_tanh:
      at::gelu_(inner, "tanh");
      break;
    case Activation::silu:
      at::silu_(inner);
      break;
  }
  return second_.forward(inner);
}

}  // namespace glm
