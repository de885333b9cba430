#include "kernels/quantiser.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cuda/formats.h"

namespace glm {
namespace {

using Coding = CodedWeight::Coding;

constexpr int64_t kNumbersAtOnce = 1 << 22;  // so that what is computed on the way takes little memory

// Puts two codes of 4 bits into a byte, the first into the low half. [rows, in] -> [rows, in / 2]
at::Tensor in_halves(const at::Tensor& codes) {
  const auto pairs = codes.unflatten(1, {-1, 2}).unbind(2);
  return pairs[0].bitwise_or(pairs[1].bitwise_left_shift(4));
}

CodedWeight quantised_rows(const at::Tensor& rows, Coding coding) {
  CodedWeight w{.coding = coding, .in = rows.size(1), .group = rows.size(1), .codes = {}, .scales = {}, .zeros = {}};
  if (coding == Coding::int8) {
    const ScaledRows scaled = scaled_rows(rows, 127.0);
    w.codes = (scaled.values.round() + 128).to(at::kByte);
    w.scales = scaled.scales;
    return w;
  }
  w.group = cuda::kGroupInner;
  FourBits four = four_bits(rows.to(at::kFloat).unflatten(1, {-1, w.group}));
  w.codes = in_halves(four.codes.flatten(1));
  w.scales = std::move(four.scales);
  w.zeros = std::move(four.zeros);
  return w;
}

}  // namespace

FourBits four_bits(const at::Tensor& groups) {
  const at::Tensor lowest = groups.amin(-1).clamp_max(0);
  const at::Tensor scale = ((groups.amax(-1).clamp_min(0) - lowest) / 15).clamp_min(1e-30).to(at::kBFloat16);
  const at::Tensor zero = (-lowest / scale).round().clamp(0, 15);
  const at::Tensor codes = (groups / scale.unsqueeze(-1) + zero.unsqueeze(-1)).round().clamp(0, 15).to(at::kByte);
  return {codes, scale, zero.to(at::kBFloat16)};
}

ScaledRows scaled_rows(const at::Tensor& rows, double largest) {
  const at::Tensor wide = rows.to(at::kFloat);
  const at::Tensor scale = (wide.abs().amax(-1, /*keepdim=*/true) / largest).clamp_min(1e-30);
  return {wide / scale, scale};
}

CodedWeight quantised(const at::Tensor& weight, Coding coding) {
  const Coding fitting = weight.size(1) % cuda::kGroupInner == 0 ? coding : Coding::int8;
  const int64_t rows = std::max<int64_t>(1, kNumbersAtOnce / std::max<int64_t>(1, weight.size(1)));
  std::vector<CodedWeight> parts;
  for (int64_t begin = 0; begin < weight.size(0); begin += rows) {
    parts.push_back(quantised_rows(weight.slice(0, begin, std::min(weight.size(0), begin + rows)), fitting));
  }
  return *stacked(parts);
}

}  // namespace glm
