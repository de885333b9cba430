// Two linear layers with an activation between. Upstream: diffusers FeedForward
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/weights.h"
#include "engine/components/layers/linear.h"

namespace glm {

class FeedForward {
 public:
  enum class Activation { gelu_erf, gelu_tanh, silu };
  struct Dims {
    int64_t in;
    int64_t inner;
    int64_t out;
  };
  // fused: whether a GPU's product may compute the tanh GELU, too
  FeedForward(const Weights& w, Dims dims, Activation activation, bool fused = false);
  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]

 private:
  Linear first_;
  Linear second_;
  Activation activation_;
  bool fused_;
};

}  // namespace glm
