#include "kernels/coded_weight.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "kernels/host/codes.h"
#include "kernels/host/host_kernels.h"
#include "kernels/host/products.h"

namespace glm {
namespace {

using Coding = CodedWeight::Coding;
using Levels = std::array<float, host::kMostLevels>;

constexpr int64_t kTileNumbers = 1 << 22;  // of a weight, that become numbers in a CPU's memory at a time

constexpr Levels whole_numbers(float first) {
  Levels levels{};
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = first + static_cast<float>(i);
  return levels;
}

// A sign, an exponent of 3 bits whose bias is 3, and a bit of the mantissa.
constexpr Levels small_floats() {
  Levels levels{};
  for (size_t code = 0; code < 16; ++code) {
    const size_t exponent = code >> 1;
    float value = static_cast<float>(exponent == 0 ? code & 1 : 2 + (code & 1)) * 0.125F;
    for (size_t i = 1; i < exponent; ++i) value *= 2;
    levels[code] = value;
    levels[code + 16] = -value;
  }
  return levels;
}

constexpr Levels kFromZero = whole_numbers(0);
constexpr Levels kAroundEight = whole_numbers(-8);
constexpr Levels kAroundSixteen = whole_numbers(-16);
constexpr Levels kFloats = small_floats();

const Levels& levels_of(const CodedWeight& w) {
  if (w.coding == Coding::int5) return kAroundSixteen;
  if (w.coding == Coding::float5) return kFloats;
  return w.coding == Coding::auto_round && !w.zeros.defined() ? kAroundEight : kFromZero;
}

host::Codes::Number number_of(const at::Tensor& scales) {
  if (scales.scalar_type() == at::kHalf) return host::Codes::Number::fp16;
  return scales.scalar_type() == at::kBFloat16 ? host::Codes::Number::bf16 : host::Codes::Number::fp32;
}

host::Codes::Formula formula_of(Coding coding) {
  if (coding == Coding::auto_round) return host::Codes::Formula::fp16_product;
  return coding == Coding::int4 || coding == Coding::int8 ? host::Codes::Formula::product : host::Codes::Formula::sum;
}

host::Type host_type(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? host::Type::bf16 : host::Type::fp32;
}

}  // namespace

int CodedWeight::bits() const {
  if (coding == Coding::int8) return 8;
  return coding == Coding::int5 || coding == Coding::float5 ? 5 : 4;
}

host::Codes CodedWeight::host_codes(at::ScalarType dtype) const {
  return {.codes = codes.const_data_ptr<uint8_t>(),
          .levels = levels_of(*this).data(),
          .level_count = 1 << bits(),
          .scales = scales.const_data_ptr(),
          .zeros = zeros.defined() ? zeros.const_data_ptr() : nullptr,
          .number = number_of(scales),
          .formula = formula_of(coding),
          .in = in,
          .group = group,
          .type = host_type(dtype)};
}

at::Tensor CodedWeight::numbers(at::ScalarType dtype, int64_t begin, int64_t end) const {
  if (!codes.is_cpu()) return numbers_by_aten(dtype, begin, end);
  const at::Tensor wide = at::empty({end - begin, in}, at::kFloat);
  host::decode_on_threads(host_codes(dtype), begin, end, wide.data_ptr<float>());
  return wide.to(dtype);
}

at::Tensor CodedWeight::numbers_by_aten(at::ScalarType dtype, int64_t begin, int64_t end) const {
  at::Tensor each = codes.slice(0, begin, end);
  if (coding == Coding::int8) return ((each.to(at::kFloat) - 128) * scales.slice(0, begin, end)).to(dtype);
  if (bits() == 4) each = at::stack({each.bitwise_and(15), each.__rshift__(4)}, -1).flatten(1);
  const Levels& table = levels_of(*this);
  const at::Tensor levels = at::tensor(at::ArrayRef<float>(table.data(), table.size()), at::kFloat)
                                .to(codes.device())
                                .index({each.to(at::kInt)});
  const auto spread = [&](const at::Tensor& groups) {  // [out, groups] -> [rows, in]
    return groups.slice(0, begin, end).repeat_interleave(group, 1).slice(1, 0, in);
  };
  if (coding == Coding::int4) {
    return ((levels - spread(zeros).to(at::kFloat)) * spread(scales).to(at::kFloat)).to(dtype);
  }
  if (coding != Coding::auto_round) {
    const at::Tensor steps = levels.to(scales.scalar_type());
    const at::Tensor wide = spread(scales);
    return (zeros.defined() ? at::addcmul(spread(zeros), steps, wide) : steps * wide).to(dtype);
  }
  const at::Tensor steps = levels.to(at::kHalf);
  return ((zeros.defined() ? steps - spread(zeros) : steps) * spread(scales)).to(dtype);
}

std::optional<CodedWeight> stacked(const std::vector<CodedWeight>& weights) {
  CodedWeight all = weights.at(0);
  std::vector<at::Tensor> codes;
  std::vector<at::Tensor> scales;
  std::vector<at::Tensor> zeros;
  for (const CodedWeight& w : weights) {
    if (w.coding != all.coding || w.in != all.in || w.group != all.group || w.zeros.defined() != all.zeros.defined() ||
        w.scales.scalar_type() != all.scales.scalar_type()) {
      return std::nullopt;
    }
    codes.push_back(w.codes);
    scales.push_back(w.scales);
    zeros.push_back(w.zeros);
  }
  if (weights.size() == 1) return all;
  all.codes = at::cat(codes);
  all.scales = at::cat(scales);
  if (all.zeros.defined()) all.zeros = at::cat(zeros);
  return all;
}

at::Tensor coded_linear(const at::Tensor& x, const CodedWeight& weight, const at::Tensor& bias) {
  const int64_t out = weight.out();
  const bool few = x.numel() <= host::kMostRows * weight.in;
  if (host::takes_products(x) || (few && x.is_cpu() && x.scalar_type() == at::kBFloat16)) {
    return host::product(x, weight.host_codes(x.scalar_type()), out, bias);
  }
  const int64_t rows = x.is_cpu() ? std::max<int64_t>(1, kTileNumbers / weight.in) : out;
  if (rows >= out) return at::linear(x, weight.numbers(x.scalar_type(), 0, out), bias);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out;
  at::Tensor y = at::empty(shape, x.options());
  for (int64_t begin = 0; begin < out; begin += rows) {
    const int64_t end = std::min(out, begin + rows);
    const at::Tensor own = bias.defined() ? bias.slice(0, begin, end) : bias;
    y.slice(-1, begin, end).copy_(at::linear(x, weight.numbers(x.scalar_type(), begin, end), own));
  }
  return y;
}

}  // namespace glm
