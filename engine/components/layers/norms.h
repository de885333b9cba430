// Norms over the last dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/weights.h"

namespace glm {

// Upstream: GlmImageRMSNorm, T5LayerNorm
class RmsNorm {
 public:
  RmsNorm(const Weights& w, int64_t dim, double eps);
  at::Tensor forward(const at::Tensor& x) const;  // [..., D] -> [..., D]
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor weight_;  // [D]
  double eps_;
};

// Upstream: torch.nn.LayerNorm
class LayerNorm {
 public:
  LayerNorm(const Weights& w, int64_t dim, double eps);
  at::Tensor forward(const at::Tensor& x) const;  // [..., D] -> [..., D]

 private:
  at::Tensor weight_, bias_;  // [D]
  double eps_;
};

}  // namespace glm
