// The layers that components are made of. A constructor names its tensors; forward is const.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/weights.h"
#include "kernels/packed_weight.h"

namespace glm {

// y = x W^T + b. Owns how the weight is kept; nothing outside sees it. Upstream: torch.nn.Linear
class Linear {
 public:
  enum class Bias { no, yes };
  // Rearranged for the decode kernels, and quantised when asked. Without: as the checkpoint has it.
  struct Packing {
    cuda::Format format;
    PackedWeight::Rows rows = PackedWeight::Rows::plain;
  };
  Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing = {});

  // Several layers of one input as one: their outputs stand side by side, in order. Each part is a scope and its width.
  struct Part {
    Weights scope;
    int64_t out = 0;
  };
  Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing = {});

  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]

  // For the decode kernels; of a packed layer alone.
  cuda::PackedWeight packed() const { return packed_->parameters(); }
  const at::Tensor& bias() const { return bias_; }

 private:
  void keep(const at::Tensor& weight, std::optional<Packing> packing);

  at::Tensor weight_;  // [out, in], or undefined:
  std::optional<PackedWeight> packed_;
  at::Tensor bias_;  // [out] or undefined
};

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

// Upstream: torch.nn.Embedding
class Embedding {
 public:
  Embedding(const Weights& w, int64_t rows, int64_t dim);
  at::Tensor forward(const at::Tensor& ids) const;  // i64 [...] -> [..., D]
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor weight_;  // [rows, D]
};

// Two linear layers with an activation between. Upstream: diffusers FeedForward
class FeedForward {
 public:
  enum class Activation { gelu_erf, gelu_tanh, silu };
  struct Dims {
    int64_t in;
    int64_t inner;
    int64_t out;
  };
  FeedForward(const Weights& w, Dims dims, Activation activation);
  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]

 private:
  Linear first_;
  Linear second_;
  Activation activation_;
};

}  // namespace glm
