#include "tests/kernels/weight_table.h"

#include <ATen/ATen.h>

#include "tests/kernels/device_memory.h"

namespace glm {

using cuda::Format;

namespace {

int64_t padded(Format format, int64_t inner) {
  const int64_t unit = format == Format::int4 ? cuda::kGroupInner : cuda::kBlockInner;
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
    case Format::int8: {
      const int64_t pair = (((before * 2 + step / 2) * 32 + lane) * 2 + step % 2) * 2 + word / 2;
      return (pair * 4 + 2 * high + word % 2) * 2;
    }
    case Format::int4:
      return ((before * 32 + lane) * 4 + step) * 8 + word + 4 * high;
  }
  return 0;
}

// [rows, inner] of groups' numbers, one for each element.
at::Tensor of_groups(const at::Tensor& groups, int64_t inner) {
  return groups.repeat_interleave(cuda::kGroupInner, 1).slice(1, 0, inner).to(at::kDouble);
}

}  // namespace

Codes random_codes(Format format, int64_t rows, int64_t inner) {
  Codes c{format, {}, {}, {}, {}};
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
  const int64_t bits = c.format == Format::bf16 ? 16 : c.format == Format::int4 ? 4 : 8;
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
    } else if (c.format == Format::int4) {
      to[at / 2] = static_cast<uint8_t>(to[at / 2] | from[i] << at % 2 * 4);
    } else {
      to[at / 2] = static_cast<uint8_t>(c.format == Format::int8 ? from[i] ^ 0x80 : from[i]);
    }
  }
  if (c.format == Format::int4) {
    const int64_t groups = columns / cuda::kGroupInner;
    w.group_scales = device_empty({rows / 16, groups, 8, 2}, at::kInt);
    const uint16_t* scales = bf16_of(c.scale);
    const uint16_t* zeros = bf16_of(c.zero);
    for (int64_t i = 0; i < rows * groups; ++i) {
      const int64_t row = i / groups;
      const int64_t at = ((row / 16 * groups + i % groups) * 8 + row % 8) * 2 + row % 16 / 8;
      data_of<uint32_t>(w.group_scales)[at] = uint32_t{scales[i]} | uint32_t{zeros[i]} << 16;
    }
  } else if (c.scale.defined()) {
    w.row_scales = device_copy(c.scale);
  }
  w.packed = {data_of<void>(w.tiles),
              w.row_scales.defined() ? data_of<float>(w.row_scales) : nullptr,
              w.group_scales.defined() ? data_of<uint32_t>(w.group_scales) : nullptr,
              static_cast<int>(rows),
              static_cast<int>(columns),
              c.format};
  return w;
}

at::Tensor gate_up_order(int64_t rows) {
  const at::Tensor gate = at::arange(rows / 2).view({-1, 8});
  return at::stack({gate, gate + rows / 2}, 1).flatten();
}

}  // namespace glm
