// A table of rows. Upstream: torch.nn.Embedding
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/weights.h"

namespace glm {

class Embedding {
 public:
  Embedding(const Weights& w, int64_t rows, int64_t dim);
  at::Tensor forward(const at::Tensor& ids) const;  // i64 [...] -> [..., D]
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor weight_;  // [rows, D]
};

}  // namespace glm
