// y = x W^T + b. The only layer that knows formats of weights. Upstream: torch.nn.Linear
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <variant>
#include <vector>

#include "engine/checkpoint/weights.h"
#include "kernels/packed_weight.h"

namespace glm {

// Owns how its weight is kept; nothing outside sees it.
class Linear {
 public:
  enum class Bias { no, yes };
  // Rearranged for the decode kernels, and quantised when the format says so.
  struct Packing {
    cuda::Format format;
    PackedWeight::Rows rows = PackedWeight::Rows::plain;
  };
  // Without packing the weight stays as the checkpoint has it.
  Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing = {});

  // Several layers of one input as one: their outputs stand side by side, in order. Each part is a scope and its width.
  struct Part {
    Weights scope;
    int64_t out = 0;
  };
  Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing = {});

  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]

  // For the decode kernels. Throws Error(internal) for a layer that isn't packed.
  cuda::PackedWeight packed() const;
  const at::Tensor& bias() const { return bias_; }  // [out] or undefined

 private:
  std::variant<at::Tensor, PackedWeight> weight_;  // dense [out, in], or packed
  at::Tensor bias_;
};

}  // namespace glm
