#include "engine/checkpoint/coded_layout.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/text.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/tensor_error.h"

namespace glm {

using Coding = CodedWeight::Coding;
using Kind = TensorError::Kind;

namespace {

constexpr const char* kFits = "does config.json belong to this file?";
constexpr const char* kAgain = "download the file again";

[[noreturn]] void contradict(const std::string& weight, const std::string& where, const std::string& expected,
                             const std::string& found, const std::string& advice) {
  throw TensorError(Kind::contradictory, weight, refusal(where, expected, found, advice));
}

// u8 [...], two numbers in a byte -> u8 [..., 2 * n]
at::Tensor halves_of_bytes(const at::Tensor& bytes) {
  return at::stack({bytes.bitwise_and(15), bytes.__rshift__(4)}, -1).flatten(-2);
}

// Takes codes of 5 bits apart. Five bytes hold eight codes. u8 [n / 8, 5] -> u8 [n]. Upstream: sdnq's unpack_uint5
at::Tensor unpack_fives(const at::Tensor& bytes) {
  const auto byte = [&](int64_t i) { return bytes.select(1, i); };
  const auto bits = [&](int64_t i, int64_t from, int64_t count, int64_t to) {
    return byte(i).__rshift__(from).bitwise_and((1 << count) - 1).__lshift__(to);
  };
  std::vector<at::Tensor> codes;
  codes.reserve(8);
  for (int64_t i = 0; i < 5; ++i) codes.push_back(bits(i, 0, 5, 0));
  codes.push_back(bits(0, 5, 3, 0) + bits(3, 5, 2, 3));
  codes.push_back(bits(1, 5, 3, 0) + bits(4, 5, 2, 3));
  codes.push_back(bits(2, 5, 3, 0) + bits(4, 7, 1, 3) + bits(3, 7, 1, 4));
  return at::stack(codes, 1).flatten();
}

double largest(const at::Tensor& numbers) {
  return numbers.numel() == 0 ? 0 : numbers.to(at::kFloat).abs().max().item<double>();  // of NaN it is NaN
}

CodedWeight read_auto_round(const CodedLayout& layout, const ReadStored& read, const std::string& where) {
  CodedWeight w{
      .coding = layout.coding, .in = layout.in, .group = layout.group, .codes = {}, .scales = {}, .zeros = {}};
  const at::Tensor words = read(layout.codes.name);
  const at::Tensor scales = read(layout.scales.name);
  const at::Tensor stored_zeros = read(layout.zeros->name).view(at::kByte);
  const bool eights = stored_zeros.eq(kEights).all().item<bool>();
  check_values(layout, {.most_scale = largest(scales), .most_zero = 0, .eights = eights}, where);
  // A word has eight columns of a row, from its lowest byte on.
  w.codes =
      words.view(at::kByte).view({layout.in / 8, layout.out, 4}).transpose(0, 1).reshape({layout.out, layout.in / 2});
  w.scales = scales.t().contiguous();
  if (eights) return w;
  const at::Tensor zeros = halves_of_bytes(stored_zeros).add(1);  // the file has them minus 1
  w.zeros = zeros.t().to(at::kHalf).contiguous();
  return w;
}

CodedWeight read_sdnq(const CodedLayout& layout, const ReadStored& read, const std::string& where) {
  CodedWeight w{
      .coding = layout.coding, .in = layout.in, .group = layout.group, .codes = {}, .scales = {}, .zeros = {}};
  const at::Tensor codes = read(layout.codes.name);
  w.codes = w.bits() == 4 ? codes.view({layout.out, layout.in / 2}) : unpack_fives(codes).view({layout.out, layout.in});
  const at::Tensor scales = read(layout.scales.name).view({layout.out, -1});
  const at::Tensor zeros = layout.zeros ? read(layout.zeros->name).view({layout.out, -1}) : at::Tensor();
  check_values(layout,
               {.most_scale = largest(scales), .most_zero = zeros.defined() ? largest(zeros) : 0, .eights = false},
               where);
  w.scales = scales.contiguous();
  if (zeros.defined()) w.zeros = zeros.contiguous();
  return w;
}

void lay_auto_round(CodedLayout& layout, const Quantisation& q, const Quantisation::Parts& parts,
                    const std::string& where) {
  layout.group = q.group <= 0 ? layout.in : q.group;
  if (layout.in % 8 != 0 || layout.out % 8 != 0 || layout.in % layout.group != 0) {
    contradict(layout.weight, where, "rows in eights, and columns in groups of " + std::to_string(layout.group),
               shape_text({layout.out, layout.in}), kFits);
  }
  const int64_t groups = layout.in / layout.group;
  layout.codes = {parts.codes, at::kInt, {layout.in / 8, layout.out}};
  layout.scales = {parts.scales, at::kHalf, {groups, layout.out}};
  layout.zeros = {parts.zeros, at::kInt, {groups, layout.out / 8}};
}

void lay_sdnq(CodedLayout& layout, const Quantisation::Parts& parts, const TensorInfo& scales,
              const std::string& where) {
  const int64_t numbers = layout.out * layout.in;
  if (layout.coding == Coding::uint4 && layout.in % 2 == 0) {
    layout.codes = {parts.codes, at::kByte, {numbers / 2}};
  } else if (layout.coding != Coding::uint4 && numbers % 8 == 0) {
    layout.codes = {parts.codes, at::kByte, {numbers / 8, 5}};
  } else {
    contradict(layout.weight, where, "columns that fill whole bytes", shape_text({layout.out, layout.in}), kReadable);
  }
  const int64_t all = c10::multiply_integers(scales.shape);
  const int64_t groups = layout.out > 0 ? all / layout.out : 0;
  const bool whole = scales.shape.size() >= 2 && scales.shape[0] == layout.out && all == layout.out * groups;
  if (!whole || groups == 0 || layout.in % groups != 0 || (groups > 1 && layout.in / groups % 2 != 0)) {
    contradict(layout.weight, where + ": scale", std::to_string(layout.out) + " rows of groups of even columns",
               shape_text(scales.shape), whole ? kReadable : kFits);
  }
  layout.group = layout.in / groups;
  layout.scales = {parts.scales, scales.dtype, scales.shape};
  if (layout.coding == Coding::uint4) layout.zeros = {parts.zeros, scales.dtype, scales.shape};
}

}  // namespace

CodedLayout::CodedLayout(const Quantisation& q, const std::string& name, at::IntArrayRef shape,
                         const TensorInfo& stored_scales, const std::string& where)
    : weight(name), coding(q.coding_of(name)), symmetric(q.symmetric) {
  if (shape.size() != 2) contradict(name, where, "a matrix", shape_text(shape), kReadable);
  out = shape[0];
  in = shape[1];
  const Quantisation::Parts parts = q.parts(name).value();
  coding == Coding::auto_round ? lay_auto_round(*this, q, parts, where) : lay_sdnq(*this, parts, stored_scales, where);
}

void check_values(const CodedLayout& layout, const CodedValues& values, const std::string& where) {
  // Then fp16 holds every number of AutoRound's, and fp32 and bf16 every one of SDNQ's.
  const double most = layout.coding == Coding::auto_round ? 65504.0 / 16 : 1e30;
  for (const double found : {values.most_scale, values.most_zero}) {
    if (found <= most) continue;  // NaN isn't
    contradict(layout.weight, where, "finite scales whose numbers its type can hold",
               std::isnan(found) ? "NaN" : number_text(found), kAgain);
  }
  if (layout.coding != Coding::auto_round || !layout.symmetric || values.eights) return;
  contradict(layout.weight, where, "zeros of 8, because quantization_config says sym", "others", kAgain);
}

CodedWeight read_coded(const CodedLayout& layout, const ReadStored& read, const std::string& where) {
  return layout.coding == Coding::auto_round ? read_auto_round(layout, read, where) : read_sdnq(layout, read, where);
}

}  // namespace glm
