#include "engine/components/layers/feed_forward.h"

#include <ATen/ATen.h>

namespace glm {

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
