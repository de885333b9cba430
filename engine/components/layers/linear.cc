#include "engine/components/layers/linear.h"

#include <ATen/ATen.h>

#include "base/refuse.h"
#include "glm/error.h"
#include "kernels/linear.h"

namespace glm {
namespace {

using StoredWeight = std::variant<at::Tensor, PackedWeight>;

StoredWeight stored_weight(const at::Tensor& weight, const std::optional<Linear::Packing>& packing) {
  return packing ? StoredWeight(PackedWeight(weight, packing->format, packing->rows)) : StoredWeight(weight);
}

}  // namespace

Linear::Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing)
    : Linear({{w, out}}, in, bias, packing) {}

Linear::Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (const Part& part : parts) {
    weights.push_back(part.scope.tensor("weight", {part.out, in}));
    if (bias == Bias::yes) biases.push_back(part.scope.tensor("bias", {part.out}));
  }
  weight_ = stored_weight(parts.size() == 1 ? weights[0] : at::cat(weights), packing);
  if (bias == Bias::yes) bias_ = parts.size() == 1 ? biases[0] : at::cat(biases);
}

at::Tensor Linear::forward(const at::Tensor& x) const {
  const auto* packed = std::get_if<PackedWeight>(&weight_);
  return linear_layer(x, packed != nullptr ? packed->dense() : std::get<at::Tensor>(weight_), bias_);
}

at::Tensor Linear::forward_gelu(const at::Tensor& x, bool in_product) const {
  const auto* dense = std::get_if<at::Tensor>(&weight_);
  // On a GPU ATen's fused function computes the tanh GELU, and on a CPU the exact one.
  if (in_product && x.is_cuda() && dense != nullptr && bias_.defined()) {
    return at::_addmm_activation(bias_, x, dense->t(), /*beta=*/1, /*alpha=*/1, /*use_gelu=*/true);
  }
  at::Tensor y = forward(x);
  return at::gelu_(y, "tanh");
}

const at::Tensor& Linear::dense() const {
  const auto* dense = std::get_if<at::Tensor>(&weight_);
  if (dense == nullptr)
    refuse(ErrorCode::internal, "", "a dense layer for the decode kernels of a CPU", "a packed one");
  return *dense;
}

cuda::PackedWeight Linear::packed() const {
  const auto* packed = std::get_if<PackedWeight>(&weight_);
  if (packed == nullptr) refuse(ErrorCode::internal, "", "a packed layer for the decode kernels", "a dense one");
  return packed->parameters();
}

}  // namespace glm
