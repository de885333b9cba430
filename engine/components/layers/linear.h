// y = x W^T + b. The only layer that knows formats of weights. Upstream: torch.nn.Linear
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <variant>
#include <vector>

#include "engine/checkpoint/weights.h"
#include "kernels/coded_weight.h"
#include "kernels/host/host_kernels.h"
#include "kernels/packed_weight.h"

namespace glm {

// Hides how its weight is stored.
class Linear {
 public:
  enum class Bias { no, yes };
  // Says that the weight is rearranged for the decode kernels. Numbers are quantised when the format asks for it, and a
  // checkpoint's codes stay what they are.
  struct Packing {
    cuda::Format format;
    PackedWeight::Rows rows = PackedWeight::Rows::plain;
  };
  // Without packing the weight stays as the checkpoint has it, be it numbers or codes.
  Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing = {});

  // A part is one of several layers that have the same input: its weights, and how many features it puts out.
  struct Part {
    Weights scope;
    int64_t out = 0;
  };
  // Computes all parts as one layer, whose outputs stand side by side in the parts' order.
  Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing = {});

  at::Tensor forward(const at::Tensor& x) const;  // [..., in] -> [..., out]
  // Then the tanh GELU. in_product: on a GPU the product of a dense layer with a bias computes it, too, and rounds
  // once.
  at::Tensor forward_gelu(const at::Tensor& x, bool in_product) const;  // [R, in] -> [R, out]

  // Multiplies up to 16 rows by a CPU's own kernels, without the bias. rows: says all but the weight and its columns.
  // Throws Error(internal) for a packed layer.
  void multiply_rows(host::Product rows) const;

  // Returns what the decode kernels are told, in the order of the rows: one weight, or several where the parts' codes
  // aren't of one kind. It is valid as long as this layer. Throws Error(internal) for a layer that isn't packed.
  std::vector<cuda::PackedWeight> packed() const;
  const at::Tensor& bias() const { return bias_; }  // [out] or undefined
  int64_t out() const { return out_; }

 private:
  using Stored = std::variant<at::Tensor, PackedWeight, CodedWeight>;  // a tensor is dense: [out, in]
  static std::vector<Stored> stored_parts(const std::vector<Part>& parts, int64_t in);
  static PackedWeight packed_as(const Stored& stored, const Packing& packing);

  int64_t out_ = 0;
  at::ScalarType dtype_;         // of the numbers that codes stand for
  std::vector<Stored> weights_;  // the rows of the next one stand below those of the one before
  at::Tensor bias_;              // [out], or undefined
};

}  // namespace glm
