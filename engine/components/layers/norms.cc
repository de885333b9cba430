#include "engine/components/layers/norms.h"

#include <ATen/ATen.h>

#include "kernels/rms_norm.h"

namespace glm {

RmsNorm::RmsNorm(const Weights& w, int64_t dim, double eps) : weight_(w.tensor("weight", {dim})), eps_(eps) {}

at::Tensor RmsNorm::forward(const at::Tensor& x) const {
  return rms_norm(x, weight_, eps_);
}

LayerNorm::LayerNorm(const Weights& w, int64_t dim, double eps)
    : weight_(w.tensor("weight", {dim})), bias_(w.tensor("bias", {dim})), eps_(eps) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight_.sizes(), weight_, bias_, eps_);
}

}  // namespace glm
