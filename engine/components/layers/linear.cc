#include "engine/components/layers/linear.h"

#include <ATen/ATen.h>

#include "base/refuse.h"
#include "glm/error.h"
#include "kernels/host/products.h"
#include "kernels/host/rows.h"
#include "kernels/linear.h"

namespace glm {
namespace {

int64_t rows_of(const at::Tensor& dense) {
  return dense.size(0);
}
int64_t rows_of(const CodedWeight& coded) {
  return coded.out();
}
int64_t rows_of(const PackedWeight& packed) {
  return packed.out();
}

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

Linear::Linear(const Weights& w, int64_t in, int64_t out, Bias bias, std::optional<Packing> packing)
    : Linear({{w, out}}, in, bias, packing) {}

Linear::Linear(const std::vector<Part>& parts, int64_t in, Bias bias, std::optional<Packing> packing)
    : dtype_(parts.at(0).scope.dtype()) {
  std::vector<at::Tensor> biases;
  for (const Part& part : parts) {
    out_ += part.out;
    if (bias == Bias::yes) biases.push_back(part.scope.tensor("bias", {part.out}));
  }
  weights_ = stored_parts(parts, in);
  if (packing) {
    for (Stored& stored : weights_) stored = packed_as(stored, *packing);
  }
  if (bias == Bias::yes) bias_ = joined(biases);
}

PackedWeight Linear::packed_as(const Stored& stored, const Packing& packing) {
  if (const auto* coded = std::get_if<CodedWeight>(&stored)) return {*coded, packing.rows};
  return {std::get<at::Tensor>(stored), packing.format, packing.rows};
}

// Joins the parts to one weight where all are numbers, or codes of the same kind.
std::vector<Linear::Stored> Linear::stored_parts(const std::vector<Part>& parts, int64_t in) {
  std::vector<Stored> all;
  std::vector<at::Tensor> dense;
  std::vector<CodedWeight> codes;
  for (const Part& part : parts) {
    if (std::optional<CodedWeight> coded = part.scope.coded("weight", {part.out, in})) {
      codes.push_back(*coded);
      all.emplace_back(std::move(*coded));
    } else {
      dense.push_back(part.scope.tensor("weight", {part.out, in}));
      all.emplace_back(dense.back());
    }
  }
  if (codes.empty()) return {joined(dense)};
  if (!dense.empty()) return all;
  std::optional<CodedWeight> stack = stacked(codes);
  return stack ? std::vector<Stored>{std::move(*stack)} : all;
}

at::Tensor Linear::forward(const at::Tensor& x) const {
  std::vector<at::Tensor> results;
  int64_t begin = 0;
  for (const Stored& stored : weights_) {
    const int64_t end = begin + std::visit([](const auto& weight) { return rows_of(weight); }, stored);
    const at::Tensor bias = bias_.defined() ? bias_.slice(0, begin, end) : bias_;
    if (const auto* coded = std::get_if<CodedWeight>(&stored)) {
      results.push_back(coded_linear(x, *coded, bias));
    } else {
      const auto* packed = std::get_if<PackedWeight>(&stored);
      results.push_back(linear_layer(x, packed != nullptr ? packed->dense() : std::get<at::Tensor>(stored), bias));
    }
    begin = end;
  }
  return results.size() == 1 ? results[0] : at::cat(results, -1);
}

at::Tensor Linear::forward_gelu(const at::Tensor& x, bool in_product) const {
  const auto* dense = std::get_if<at::Tensor>(&weights_[0]);
  // On a GPU ATen's fused function computes the tanh GELU, and on a CPU the exact one.
  if (in_product && x.is_cuda() && weights_.size() == 1 && dense != nullptr && bias_.defined()) {
    return at::_addmm_activation(bias_, x, dense->t(), /*beta=*/1, /*alpha=*/1, /*use_gelu=*/true);
  }
  at::Tensor y = forward(x);
  if (host::takes_rows(y, {})) {
    host::gelu_tanh(y);
    return y;
  }
  return at::gelu_(y, "tanh");
}

void Linear::multiply_rows(host::Product rows) const {
  for (const Stored& stored : weights_) {
    int64_t outs = 0;
    if (const auto* dense = std::get_if<at::Tensor>(&stored)) {
      outs = rows_of(*dense);
      rows.in = dense->size(1);
      rows.weight = {dense->const_data_ptr(),
                     dense->scalar_type() == at::kBFloat16 ? host::Type::bf16 : host::Type::fp32};
      host::multiply_on_threads(rows, outs);
    } else if (const auto* coded = std::get_if<CodedWeight>(&stored)) {
      outs = rows_of(*coded);
      rows.in = coded->in;
      host::multiply_codes_on_threads(rows, coded->host_codes(dtype_), outs);
    } else {
      refuse(ErrorCode::internal, "", "a dense or a coded layer for the kernels of a CPU", "a packed one");
    }
    rows.y += outs;
  }
}

std::vector<cuda::PackedWeight> Linear::packed() const {
  std::vector<cuda::PackedWeight> all;
  for (const Stored& stored : weights_) {
    const auto* packed = std::get_if<PackedWeight>(&stored);
    if (packed == nullptr) refuse(ErrorCode::internal, "", "a packed layer for the decode kernels", "another one");
    all.push_back(packed->parameters());
  }
  return all;
}

}  // namespace glm
