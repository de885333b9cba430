#include "engine/components/layers/feed_forward.h"

#include <ATen/ATen.h>

namespace glm {

FeedForward::FeedForward(const Weights& w, Dims dims, Activation activation, bool fused)
    : first_(w / "net.0.proj", dims.in, dims.inner, Linear::Bias::yes),
      second_(w / "net.2", dims.inner, dims.out, Linear::Bias::yes),
      activation_(activation),
      fused_(fused) {}

at::Tensor FeedForward::forward(const at::Tensor& x) const {
  if (activation_ == Activation::gelu_tanh) return second_.forward(first_.forward_gelu(x, fused_));
  at::Tensor inner = first_.forward(x);
  activation_ == Activation::silu ? at::silu_(inner) : at::gelu_(inner, "none");
  return second_.forward(inner);
}

}  // namespace glm
