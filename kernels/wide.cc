#include "kernels/wide.h"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>

namespace glm {
namespace {

constexpr int64_t kRowsWorthIt = 64;       // widening a weight for fewer rows takes longer than it saves
constexpr int64_t kWeightRows = 1024;      // of a weight that are widened at a time
constexpr int64_t kBandBytes = 8LL << 20;  // of a convolution's input that are widened at a time

bool has_fast_bf16() {
  static const bool has = at::cpu::init_amx();
  return has;
}

at::Tensor wide_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t out = weight.size(0);
  const at::Tensor rows = x.reshape({-1, weight.size(1)}).to(at::kFloat);
  const at::Tensor y = at::empty({rows.size(0), out}, x.options());
  const int64_t most = std::min(out, kWeightRows);
  const at::Tensor wide = at::empty({most, weight.size(1)}, rows.options());
  const at::Tensor sums = at::empty({rows.size(0) * most}, rows.options());
  for (int64_t begin = 0; begin < out; begin += most) {
    const int64_t count = std::min(most, out - begin);
    at::Tensor part = wide.narrow(0, 0, count);
    part.copy_(weight.narrow(0, begin, count));
    at::Tensor sum = sums.narrow(0, 0, rows.size(0) * count).view({-1, count});
    at::mm_out(sum, rows, part.t());
    if (bias.defined()) sum.add_(bias.narrow(0, begin, count));
    y.narrow(1, begin, count).copy_(sum);
  }
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return y.view(shape);
}

// Widens a few rows of pixels at a time, so that the fp32 tensors stay small.
at::Tensor wide_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t height = x.size(2);
  const int64_t border = weight.size(2) / 2;
  const at::Tensor wide = weight.to(at::kFloat);
  const at::Tensor wide_bias = bias.to(at::kFloat);
  at::Tensor y = at::empty({x.size(0), weight.size(0), height, x.size(3)}, x.options());
  const int64_t row_bytes = x.size(0) * x.size(1) * x.size(3) * int64_t{sizeof(float)};
  const int64_t band = std::max<int64_t>(1, kBandBytes / row_bytes);
  for (int64_t begin = 0; begin < height; begin += band) {
    const int64_t end = std::min(height, begin + band);
    const int64_t first = std::max<int64_t>(0, begin - border);
    const int64_t last = std::min(height, end + border);
    const at::Tensor rows = x.narrow(2, first, last - first).to(at::kFloat);
    const at::Tensor padded = at::constant_pad_nd(rows, {0, 0, first - (begin - border), end + border - last});
    y.narrow(2, begin, end - begin)
        .copy_(at::conv2d(padded, wide, wide_bias, /*stride=*/at::IntArrayRef{1, 1}, at::IntArrayRef{0, border}));
  }
  return y;
}

}  // namespace

bool computes_wide(const at::Tensor& x, int64_t rows) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && rows >= kRowsWorthIt && !has_fast_bf16();
}

at::Tensor linear_layer(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t rows = x.numel() / std::max<int64_t>(1, weight.size(1));
  return computes_wide(x, rows) ? wide_linear(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t padding = weight.size(2) / 2;
  if (computes_wide(x, x.size(2) * x.size(3))) return wide_convolution(x, weight, bias);
  return at::conv2d(x, weight, bias, 1, padding);
}

}  // namespace glm
