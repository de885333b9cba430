#include "engine/components/layers/embedding.h"

#include <ATen/ATen.h>

namespace glm {

Embedding::Embedding(const Weights& w, int64_t rows, int64_t dim) : weight_(w.tensor("weight", {rows, dim})) {}

at::Tensor Embedding::forward(const at::Tensor& ids) const {
  return at::embedding(weight_, ids);
}

}  // namespace glm
