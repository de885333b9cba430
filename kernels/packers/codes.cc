// A checkpoint's codes, rearranged and never changed: AutoRound's and SDNQ's. SDNQ's two codings of five bits become
// one, because each of their levels is an e4m3.
#include <ATen/ATen.h>

#include <numeric>

#include "kernels/packers/packer.h"

namespace glm {
namespace {

using cuda::Format;
using Coding = CodedWeight::Coding;

constexpr int64_t kNarrowest = 16;  // columns of a group: what a lane has of a block
constexpr int64_t kWidest = 128;

// Returns the widest group of the kernels' that divides a checkpoint's. A row that is one group may have any.
int64_t group_for(const CodeKind& kind) {
  return kind.group >= kind.in ? kWidest : std::gcd(kind.group, kWidest);
}

// u8 [out, in]: codes of four bits as they are, and codes of five as an e4m3's bits.
at::Tensor own_codes(const CodedWeight& w) {
  if (w.bits() == 4) return at::stack({w.codes.bitwise_and(15), w.codes.bitwise_right_shift(4)}, -1).flatten(1);
  const CodedWeight each{.coding = w.coding,
                         .in = 32,
                         .group = 32,
                         .codes = at::arange(32, at::kByte).unsqueeze(0),
                         .scales = at::ones({1, 1}),
                         .zeros = {}};
  const at::Tensor levels = each.numbers_by_aten(at::kFloat, 0, 1)[0].to(at::kFloat8_e4m3fn).view(at::kByte);
  return levels.to(w.codes.device()).index({w.codes.to(at::kInt)});
}

// [tiles, 2, 8, groups, …] <-> [tiles, groups, 8, 2, …]
at::Tensor turned(const at::Tensor& groups) {
  return groups.transpose(1, 3).contiguous();
}

// Applies `number` to the columns of each group and to what it has beside its codes. columns: [tiles, 2, 8, in]
template <typename Number>
at::Tensor by_groups(const at::Tensor& columns, const PackedTensors& packed, Number number) {
  const int64_t in = columns.size(-1);
  const int64_t more = packed.group_scales.size(1) * packed.group - in;  // of the last group
  const at::Tensor whole = more == 0 ? columns : at::constant_pad_nd(columns, {0, more});
  const at::Tensor beside = turned(packed.group_scales).unsqueeze(4);  // [tiles, 2, 8, groups, 1, …]
  return number(whole.unflatten(-1, {-1, packed.group}), beside).flatten(3).slice(-1, 0, in);
}

CodedWeight drawn(Coding coding, WeightShape s, int64_t group, const DrawWhole& whole) {
  CodedWeight w{.coding = coding, .in = s.inner, .group = group, .codes = {}, .scales = {}, .zeros = {}};
  const bool four = w.bits() == 4;
  const int64_t bytes = four ? s.inner / 2 : s.inner;
  w.codes = whole(0, four ? 256 : 32, {s.rows, bytes}).to(at::kByte);
  return w;
}

int64_t groups_of(const CodedWeight& w) {
  return (w.in + w.group - 1) / w.group;
}

}  // namespace

CodeKind kind_of(const CodedWeight& w) {
  return {.coding = w.coding, .in = w.in, .group = w.group, .scales = w.scales.scalar_type()};
}

std::optional<Format> format_of(const CodeKind& kind) {
  if (group_for(kind) < kNarrowest) return std::nullopt;
  const bool fp16 = kind.scales == at::kHalf;
  switch (kind.coding) {
    case Coding::auto_round:
      return fp16 ? std::optional(Format::autoround) : std::nullopt;
    case Coding::uint4:  // with scales in fp16 SDNQ's numbers are rounded to fp16 first
      return fp16 ? std::nullopt : std::optional(Format::sdnq4);
    case Coding::int5:
    case Coding::float5:
      return fp16 ? std::nullopt : std::optional(Format::sdnq5);
    default:  // of our own, which a GPU packs from numbers
      return std::nullopt;
  }
}

CodeTiles rows_of_codes(const CodedWeight& w, int64_t padded_in) {
  const int64_t group = group_for(kind_of(w));
  const int64_t groups = (w.in + group - 1) / group;
  const int64_t more = (padded_in + group - 1) / group - groups;
  const at::Tensor from =  // of each group of the kernels', the checkpoint's
      at::arange(groups, at::TensorOptions(at::kLong).device(w.codes.device())).mul_(group).floor_divide_(w.group);
  const auto dtype = w.coding == Coding::auto_round ? at::kHalf : at::kFloat;
  const auto own = [&](const at::Tensor& numbers) {
    return at::constant_pad_nd(numbers.index_select(1, from).to(dtype), {0, more});
  };
  const bool eight = w.coding == Coding::auto_round && !w.zeros.defined();
  const at::Tensor zeros = eight ? at::full_like(w.scales, 8) : w.zeros;
  return {.codes = at::constant_pad_nd(own_codes(w), {0, padded_in - w.in}),
          .scales = own(w.scales),
          .zeros = zeros.defined() ? own(zeros) : zeros,
          .group = group};
}

PackedTensors pack(cuda::AutoRoundFormat /*row*/, const CodeTiles& t) {
  const at::Tensor pairs = low_bits(t.scales).bitwise_or(low_bits(t.zeros).bitwise_left_shift(16));
  return {pack_nibbles(t.codes), {}, turned(pairs), t.group};
}

at::Tensor unpack(cuda::AutoRoundFormat /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  const auto half = [](const at::Tensor& bits) { return bits.to(at::kShort).view(at::kHalf); };
  return by_groups(unpack_nibbles(packed.tiles, shape), packed, [&](const at::Tensor& codes, const at::Tensor& pair) {
    return (codes.to(at::kHalf) - half(pair.bitwise_right_shift(16))) * half(pair);
  });
}

CodedWeight exact_codes(cuda::AutoRoundFormat /*row*/, WeightShape shape, int64_t group, const DrawWhole& whole) {
  CodedWeight w = drawn(Coding::auto_round, shape, group, whole);
  w.scales = whole(-1023, 1024, {shape.rows, groups_of(w)}).mul_(0x1p-17).to(at::kHalf);
  w.zeros = whole(1, 17, {shape.rows, groups_of(w)}).to(at::kHalf);
  return w;
}

PackedTensors pack(cuda::Sdnq4Format /*row*/, const CodeTiles& t) {
  return {pack_nibbles(t.codes), {}, turned(at::stack({t.scales, t.zeros}, -1)).view(at::kInt), t.group};
}

at::Tensor unpack(cuda::Sdnq4Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  return by_groups(unpack_nibbles(packed.tiles, shape), packed, [](const at::Tensor& codes, const at::Tensor& pair) {
    const at::Tensor numbers = pair.view(at::kFloat);
    return at::addcmul(numbers.select(-1, 1), codes.to(at::kFloat), numbers.select(-1, 0));
  });
}

CodedWeight exact_codes(cuda::Sdnq4Format /*row*/, WeightShape shape, int64_t group, const DrawWhole& whole) {
  CodedWeight w = drawn(Coding::uint4, shape, group, whole);
  w.scales = whole(1, 1 << 22, {shape.rows, groups_of(w)}).mul_(0x1p-29);
  w.zeros = whole(-(1 << 22), 1 << 22, {shape.rows, groups_of(w)}).mul_(0x1p-26);
  return w;
}

PackedTensors pack(cuda::Sdnq5Format /*row*/, const CodeTiles& t) {
  return {pack_bytes(t.codes), {}, turned(t.scales).view(at::kInt), t.group};
}

at::Tensor unpack(cuda::Sdnq5Format /*row*/, const PackedTensors& packed, at::IntArrayRef shape) {
  return by_groups(unpack_bytes(packed.tiles, shape), packed, [](const at::Tensor& codes, const at::Tensor& scales) {
    return codes.view(at::kFloat8_e4m3fn).to(at::kFloat) * scales.view(at::kFloat);
  });
}

CodedWeight exact_codes(cuda::Sdnq5Format /*row*/, WeightShape shape, int64_t group, const DrawWhole& whole) {
  CodedWeight w = drawn(Coding::int5, shape, group, whole);
  w.scales = whole(1, 1 << 22, {shape.rows, groups_of(w)}).mul_(0x1p-30);
  return w;
}

}  // namespace glm
