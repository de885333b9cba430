#include "tests/kernels/weight_table.h"

#include <ATen/ATen.h>
#include <c10/util/Float8_e4m3fn.h>

#include <cmath>

#include "tests/kernels/device_memory.h"

namespace glm {

using cuda::Format;

namespace {

int64_t padded(Format format, int64_t inner) {
  const int64_t unit = format == Format::int4 ? cuda::kGroupInner : cuda::kBlockInner;  // of int4, whole groups
  return (inner + unit - 1) / unit * unit;
}

// Where an element is, in halves of a byte.
int64_t place(Format format, int64_t blocks, int64_t row, int64_t column) {
  const int64_t before = row / 16 * blocks + column / 64;  // blocks of 16 by 64
  const int64_t g = row % 8;
  const int64_t t = column % 64 / 16;
  const int64_t lane = 4 * g + t;
  const int64_t step = column % 16 / 4;
  const int64_t e = column % 4;
  const int64_t word = e / 2 * 2 + row % 16 / 8;
  const int64_t high = e % 2;
  switch (format) {
    case Format::bf16:
      return ((((before * 4 + step) * 32 + lane) * 4 + word) * 2 + high) * 4;
    case Format::fp8:
    case Format::sdnq5:
    case Format::int8: {
      const int64_t pair = (((before * 2 + step / 2) * 32 + lane) * 2 + step % 2) * 2 + word / 2;
      return (pair * 4 + 2 * high + word % 2) * 2;
    }
    case Format::int4:
    case Format::autoround:
    case Format::sdnq4:
      return ((before * 32 + lane) * 4 + step) * 8 + word + 4 * high;
  }
  return 0;
}

// [rows, inner] of groups' numbers, one for each element.
at::Tensor of_groups(const at::Tensor& groups, int64_t inner) {
  return groups.repeat_interleave(cuda::kGroupInner, 1).slice(1, 0, inner).to(at::kDouble);
}

// A sign, an exponent of 3 bits whose bias is 3, and a bit of the mantissa.
float small_float(int code) {
  const int exponent = code >> 1 & 7;
  const auto fraction = static_cast<float>(code & 1);
  const float size = exponent == 0 ? fraction / 8 : std::ldexp(2 + fraction, exponent - 4);
  return code < 16 ? size : -size;
}

bool has_four_bits(Format format) {
  return format == Format::int4 || format == Format::autoround || format == Format::sdnq4;
}

// The word's bits of element i.
uint32_t bits_at(const at::Tensor& tensor, int64_t i) {
  if (tensor.scalar_type() == at::kFloat) return data_of<uint32_t>(tensor)[i];
  return data_of<uint16_t>(tensor)[i];
}

at::Tensor scales_by_the_table(const Codes& c, int64_t columns) {
  const int64_t rows = c.code.size(0);
  const int64_t given = c.scale.size(1);
  const int64_t groups = (columns + c.group - 1) / c.group;
  const int64_t words = c.format == Format::sdnq4 ? 4 : 2;
  const at::Tensor all = device_empty({rows / 16, groups, 8, words}, at::kInt);
  auto* const to = data_of<uint32_t>(all);
  for (int64_t i = 0; i < rows * groups; ++i) {
    const int64_t row = i / groups;
    const int64_t group = i % groups;
    const uint32_t scale = group < given ? bits_at(c.scale, row * given + group) : 0;
    const uint32_t zero = group < given && c.zero.defined() ? bits_at(c.zero, row * given + group) : 0;
    uint32_t* const words_of_row =
        to + ((row / 16 * groups + group) * 8 + row % 8) * words + row % 16 / 8 * (words / 2);
    words_of_row[0] = words == 4 || c.format == Format::sdnq5 ? scale : scale | zero << 16;
    if (words == 4) words_of_row[1] = zero;
  }
  return all;
}

}  // namespace

CodedWeight random_coded(Format format, int64_t rows, int64_t inner, int64_t group) {
  using Coding = CodedWeight::Coding;
  static bool floats = false;
  floats = !floats;
  CodedWeight w{.coding = format == Format::autoround ? Coding::auto_round
                          : format == Format::sdnq4   ? Coding::uint4
                          : floats                    ? Coding::float5
                                                      : Coding::int5,
                .in = inner,
                .group = group,
                .codes = {},
                .scales = {},
                .zeros = {}};
  const bool four = has_four_bits(format);
  const int64_t groups = (inner + group - 1) / group;
  w.codes = at::randint(0, four ? 256 : 32, {rows, four ? inner / 2 : inner}, at::kByte);
  w.scales = at::randn({rows, groups}) * 0.02;
  w.scales.select(0, 1).mul_(1e-4);  // fp16 has such numbers with fewer bits
  if (format == Format::autoround) {
    w.scales = w.scales.to(at::kHalf);
    w.zeros = at::randint(1, 17, {rows, groups}).to(at::kHalf);
  }
  if (format == Format::sdnq4) w.zeros = at::randn({rows, groups}) * 0.2;
  return w;
}

Codes codes_of(const CodedWeight& w, Format format, int64_t group) {
  Codes c{.format = format, .code = {}, .scale = {}, .zero = {}, .values = {}, .group = group};
  c.values = w.numbers_by_aten(at::kBFloat16, 0, w.out()).to(at::kDouble);
  if (has_four_bits(format)) {
    c.code = at::stack({w.codes.bitwise_and(15), w.codes.bitwise_right_shift(4)}, -1).flatten(1);
  } else {
    c.code = w.codes.clone();
    auto* const codes = data_of<uint8_t>(c.code);
    for (int64_t i = 0; i < c.code.numel(); ++i) {
      const int code = codes[i];
      codes[i] =
          c10::Float8_e4m3fn(w.coding == CodedWeight::Coding::int5 ? static_cast<float>(code - 16) : small_float(code))
              .x;
    }
    c.code = c.code.view(at::kFloat8_e4m3fn);
  }
  const at::Tensor from = at::arange((w.in + group - 1) / group, at::kLong).mul_(group).floor_divide_(w.group);
  const auto number = format == Format::autoround ? at::kHalf : at::kFloat;
  c.scale = w.scales.index_select(1, from).to(number);
  if (w.zeros.defined()) c.zero = w.zeros.index_select(1, from).to(number);
  if (format == Format::autoround && !w.zeros.defined()) c.zero = at::full_like(c.scale, 8);
  return c;
}

Codes random_codes(Format format, int64_t rows, int64_t inner, int64_t group) {
  if (cuda::row_of(format).coded) return codes_of(random_coded(format, rows, inner, group), format, group);
  Codes c{.format = format, .code = {}, .scale = {}, .zero = {}, .values = {}};
  if (format == Format::bf16) {
    c.code = at::randn({rows, inner}).to(at::kBFloat16);
    c.values = c.code.to(at::kDouble);
  } else if (format == Format::int4) {
    const int64_t groups = padded(format, inner) / cuda::kGroupInner;
    c.code = at::randint(0, 16, {rows, inner}, at::kByte);
    c.scale = at::rand({rows, groups}).add(0.1).to(at::kBFloat16);
    c.zero = at::randint(0, 16, {rows, groups}).to(at::kBFloat16);
    c.values = of_groups(c.scale, inner) * (c.code.to(at::kDouble) - of_groups(c.zero, inner));
  } else {
    c.scale = at::rand({rows}).add(0.1);
    if (format == Format::fp8) {
      const at::Tensor bytes = at::randint(0, 127, {rows, inner}, at::kByte) + 128 * at::randint(0, 2, {rows, inner});
      c.code = bytes.to(at::kByte).view(at::kFloat8_e4m3fn);  // every one but the NaN
    } else {
      c.code = at::randint(-128, 128, {rows, inner}, at::kChar);
    }
    c.values = c.scale.to(at::kDouble).unsqueeze(1) * c.code.to(at::kDouble);
  }
  return c;
}

TestWeight pack_by_the_table(const Codes& c) {
  const int64_t rows = c.code.size(0);
  const int64_t inner = c.code.size(1);
  const int64_t columns = padded(c.format, inner);
  const bool four = has_four_bits(c.format);
  const int64_t bits = c.format == Format::bf16 ? 16 : four ? 4 : 8;
  TestWeight w;
  w.tiles = device_empty({rows * columns * bits / 8}, at::kByte);
  auto* const to = data_of<uint8_t>(w.tiles);
  std::fill_n(to, w.tiles.numel(), c.format == Format::int8 ? 128 : 0);
  const auto* const from = static_cast<const uint8_t*>(c.code.const_data_ptr());
  for (int64_t i = 0; i < rows * inner; ++i) {
    const int64_t at = place(c.format, columns / cuda::kBlockInner, i / inner, i % inner);
    if (c.format == Format::bf16) {
      to[at / 2] = from[2 * i];
      to[at / 2 + 1] = from[2 * i + 1];
    } else if (four) {
      to[at / 2] = static_cast<uint8_t>(to[at / 2] | from[i] << at % 2 * 4);
    } else {
      to[at / 2] = static_cast<uint8_t>(c.format == Format::int8 ? from[i] ^ 0x80 : from[i]);
    }
  }
  const bool grouped = c.scale.defined() && c.scale.dim() == 2;
  if (grouped) {
    w.group_scales = scales_by_the_table(c, columns);
  } else if (c.scale.defined()) {
    w.row_scales = device_copy(c.scale);
  }
  w.packed = {data_of<void>(w.tiles),
              w.row_scales.defined() ? data_of<float>(w.row_scales) : nullptr,
              w.group_scales.defined() ? data_of<uint32_t>(w.group_scales) : nullptr,
              static_cast<int>(rows),
              static_cast<int>(columns),
              grouped ? static_cast<int>(c.group) : 0,
              c.format};
  return w;
}

at::Tensor gate_up_order(int64_t rows) {
  const at::Tensor gate = at::arange(rows / 2).view({-1, 8});
  return at::stack({gate, gate + rows / 2}, 1).flatten();
}

}  // namespace glm
