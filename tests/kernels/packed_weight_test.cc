// kernels/packed_weight.h against numbers quantised and placed one by one.
#include "kernels/packed_weight.h"

#include <ATen/ATen.h>
#include <c10/util/Float8_e4m3fn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/kernels/device_memory.h"
#include "tests/kernels/weight_table.h"
#include "tests/support/formats.h"

namespace glm {
namespace {

using cuda::Format;
using Rows = PackedWeight::Rows;

Codes by_rows(const at::Tensor& weight, Format format) {
  const int64_t rows = weight.size(0);
  const int64_t inner = weight.size(1);
  const float largest_code = format == Format::fp8 ? 448.0f : 127.0f;
  Codes c{format,
          at::empty({rows, inner}, format == Format::fp8 ? at::kFloat8_e4m3fn : at::kChar),
          at::empty({rows}),
          {},
          {},
          cuda::kGroupInner};
  for (int64_t row = 0; row < rows; ++row) {
    const float* w = data_of<float>(weight) + row * inner;
    float largest = 0;
    for (int64_t i = 0; i < inner; ++i) largest = std::max(largest, std::abs(w[i]));
    const float scale = std::max(largest / largest_code, 1e-30f);
    data_of<float>(c.scale)[row] = scale;
    for (int64_t i = 0; i < inner; ++i) {
      const float scaled = w[i] / scale;
      data_of<uint8_t>(c.code)[row * inner + i] =
          format == Format::fp8 ? c10::Float8_e4m3fn(scaled).x : static_cast<uint8_t>(std::lrint(scaled));
    }
  }
  c.values = c.scale.unsqueeze(1) * c.code.to(at::kFloat);
  return c;
}

Codes by_groups(const at::Tensor& weight) {
  const int64_t rows = weight.size(0);
  const int64_t groups = weight.size(1) / cuda::kGroupInner;
  Codes c{Format::int4,
          at::empty_like(weight, at::kByte),
          at::empty({rows, groups}, at::kBFloat16),
          at::empty({rows, groups}, at::kBFloat16),
          at::empty_like(weight),
          cuda::kGroupInner};
  for (int64_t group = 0; group < rows * groups; ++group) {
    const float* w = data_of<float>(weight) + group * cuda::kGroupInner;
    const float lowest = std::min(*std::min_element(w, w + cuda::kGroupInner), 0.0f);
    const float highest = std::max(*std::max_element(w, w + cuda::kGroupInner), 0.0f);
    const c10::BFloat16 scale(std::max((highest - lowest) / 15, 1e-30f));
    const c10::BFloat16 zero(std::clamp(std::nearbyint(-lowest / scale), 0.0f, 15.0f));
    data_of<c10::BFloat16>(c.scale)[group] = scale;
    data_of<c10::BFloat16>(c.zero)[group] = zero;
    for (int64_t i = 0; i < cuda::kGroupInner; ++i) {
      const float code = std::clamp(std::nearbyint(w[i] / scale + zero), 0.0f, 15.0f);
      data_of<uint8_t>(c.code)[group * cuda::kGroupInner + i] = static_cast<uint8_t>(code);
      data_of<float>(c.values)[group * cuda::kGroupInner + i] = scale * (code - zero);
    }
  }
  return c;
}

// `weight`: fp32, contiguous.
Codes quantised(const at::Tensor& weight, Format format) {
  if (format == Format::bf16) return {format, weight.to(at::kBFloat16), {}, {}, weight, cuda::kGroupInner};
  return format == Format::int4 ? by_groups(weight) : by_rows(weight, format);
}

at::Tensor ugly_weight(int64_t rows, int64_t inner) {
  const at::Tensor w = at::randn({rows, inner}) * at::rand({rows, 1}).mul(8).sub(4).exp();
  w[1].zero_();
  w[2].abs_().add_(0.5);
  w[3].abs_().neg_();
  w[4].fill_(-0.25);
  w[5] *= 1e20;
  w[6] *= 1e-20;
  w[7][inner / 2] = 1000;
  return w;
}

testing::AssertionResult same_bytes(const void* actual, const at::Tensor& expected, const char* what) {
  if (actual == nullptr || !expected.defined()) {
    if (actual == nullptr && !expected.defined()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << what << " are there, or not, when they shouldn't be";
  }
  const auto* a = static_cast<const uint8_t*>(actual);
  const auto* e = static_cast<const uint8_t*>(expected.const_data_ptr());
  const auto bytes = static_cast<int64_t>(expected.nbytes());
  const int64_t same = std::mismatch(a, a + bytes, e).first - a;
  if (same == bytes) return testing::AssertionSuccess();
  return testing::AssertionFailure() << what << " differ from byte " << same << " of " << bytes << " on: expected "
                                     << int{e[same]} << ", found " << int{a[same]};
}

class Packed : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, Packed, testing::ValuesIn(formats_of(/*coded=*/false)));

TEST_P(Packed, EachElementIsWhereTheTableSays) {
  for (const Rows order : {Rows::plain, Rows::gate_up}) {
    for (const int64_t rows : {16, 48, 96}) {
      for (const int64_t inner : {32, 64, 80, 128, 384}) {
        for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
          if (GetParam() == Format::int4 && inner % cuda::kGroupInner != 0) continue;
          SCOPED_TRACE(testing::Message() << rows << " x " << inner << " " << dtype);
          const at::Tensor weight = ugly_weight(rows, inner).to(dtype);
          const Codes codes = quantised(weight.to(at::kFloat), GetParam());
          const PackedWeight packed(weight, GetParam(), order);
          EXPECT_TRUE(at::equal(packed.dense(), codes.values.to(at::kBFloat16)));

          const at::Tensor places = order == Rows::plain ? at::arange(rows) : gate_up_order(rows);
          const auto sorted = [&](const at::Tensor& t) { return t.defined() ? t.index({places}) : t; };
          const at::Tensor bytes = codes.code.view(codes.format == Format::bf16 ? at::kShort : at::kByte);
          const TestWeight expected = pack_by_the_table({codes.format,
                                                         sorted(bytes).view(codes.code.scalar_type()),
                                                         sorted(codes.scale),
                                                         sorted(codes.zero),
                                                         {},
                                                         cuda::kGroupInner});
          const cuda::PackedWeight actual = packed.parameters();
          EXPECT_EQ(actual.format, expected.packed.format);
          EXPECT_EQ(actual.rows, rows);
          EXPECT_EQ(actual.inner, expected.packed.inner);
          EXPECT_EQ(actual.group, expected.packed.group);
          EXPECT_TRUE(same_bytes(actual.tiles, expected.tiles, "tiles"));
          EXPECT_TRUE(same_bytes(actual.row_scales, expected.row_scales, "scales of rows"));
          EXPECT_TRUE(same_bytes(actual.group_scales, expected.group_scales, "scales of groups"));
        }
      }
    }
  }
}

class PackedCodes : public testing::TestWithParam<Format> {
 protected:
  // group: of the kernels
  static void expect_packed(const CodedWeight& weight, Rows order, int64_t group) {
    SCOPED_TRACE(testing::Message() << weight.in << " columns, groups of " << weight.group << ", "
                                    << weight.scales.scalar_type());
    const PackedWeight packed(weight, order);
    const at::Tensor numbers = weight.numbers_by_aten(at::kBFloat16, 0, weight.out());
    EXPECT_TRUE(same_bytes(packed.dense().const_data_ptr(), numbers, "numbers"));
    Codes codes = codes_of(weight, GetParam(), group);
    if (order == Rows::gate_up) {
      const at::Tensor places = gate_up_order(weight.out());
      codes.code = codes.code.view(at::kByte).index({places}).view(codes.code.scalar_type());
      codes.scale = codes.scale.index({places});
      if (codes.zero.defined()) codes.zero = codes.zero.index({places});
    }
    const TestWeight expected = pack_by_the_table(codes);
    const cuda::PackedWeight actual = packed.parameters();
    EXPECT_EQ(actual.format, GetParam());
    EXPECT_EQ(actual.rows, weight.out());
    EXPECT_EQ(actual.inner, expected.packed.inner);
    EXPECT_EQ(actual.group, group);
    EXPECT_TRUE(same_bytes(actual.tiles, expected.tiles, "tiles"));
    EXPECT_EQ(actual.row_scales, nullptr);
    EXPECT_TRUE(same_bytes(actual.group_scales, expected.group_scales, "scales of groups"));
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, PackedCodes, testing::ValuesIn(formats_of(/*coded=*/true)));

TEST_P(PackedCodes, LieWhereTheTableSaysAndKeepTheirNumbers) {
  struct Columns {
    int64_t in, group, packed_group;
  };
  for (const Rows order : {Rows::plain, Rows::gate_up}) {
    for (const Columns& c : {Columns{16, 16, 128},
                             {80, 16, 16},
                             {64, 32, 32},
                             {320, 64, 64},
                             {384, 128, 128},
                             {96, 96, 128},
                             {192, 96, 32},
                             {96, 48, 16},
                             {512, 256, 128},
                             {72, 72, 128},
                             {96, 64, 64}}) {
      CodedWeight weight = random_coded(GetParam(), 48, c.in, c.group);
      expect_packed(weight, order, c.packed_group);
      if (GetParam() == Format::autoround) {
        weight.zeros = at::Tensor();  // each is 8
      } else {                        // scales of the file's own type
        weight.scales = weight.scales.to(at::kBFloat16);
        if (weight.zeros.defined()) weight.zeros = weight.zeros.to(at::kBFloat16);
      }
      expect_packed(weight, order, c.packed_group);
    }
  }
}

TEST_P(PackedCodes, AreRefusedInGroupsThatNoLaneHas) {
  const CodedWeight narrow = random_coded(GetParam(), 16, 96, 24);
  EXPECT_EQ(PackedWeight::format_of(kind_of(narrow)), std::nullopt);
  EXPECT_THROW(PackedWeight(narrow, Rows::plain), c10::Error);
  EXPECT_THROW(PackedWeight(random_coded(GetParam(), 24, 64, 32), Rows::plain), c10::Error) << "no whole tiles";
  EXPECT_THROW(PackedWeight(at::randn({16, 64}), GetParam(), Rows::plain), c10::Error) << "not made of numbers";
}

TEST(PackedShapes, CodesWithScalesThatRoundToFp16AreRefused) {
  CodedWeight weight = random_coded(Format::sdnq4, 16, 64, 32);
  EXPECT_EQ(PackedWeight::format_of(kind_of(weight)), Format::sdnq4);
  weight.scales = weight.scales.to(at::kHalf);
  EXPECT_EQ(PackedWeight::format_of(kind_of(weight)), std::nullopt);
}

// What a trial draws: dense() is what the kernels compute with.
TEST_P(PackedCodes, AreDrawn) {
  const DrawWhole whole = [](int64_t low, int64_t high, at::IntArrayRef shape) {
    return at::randint(low, high, shape, at::kFloat);
  };
  const PackedWeight drawn = PackedWeight::drawn(GetParam(), {32, 256}, 64, Rows::gate_up, whole);
  EXPECT_EQ(drawn.parameters().format, GetParam());
  EXPECT_EQ(drawn.parameters().group, 64);
  EXPECT_GT(drawn.dense().to(at::kFloat).std().item<double>(), 1e-5);
}

TEST(PackedShapes, FourBitsNeedWholeGroups) {
  const PackedWeight packed(at::randn({32, 80}), Format::int4, Rows::plain);
  EXPECT_EQ(packed.parameters().format, Format::int8);
  EXPECT_EQ(packed.parameters().inner, 128);
}

TEST(PackedShapes, RowsAreWholeTiles) {
  EXPECT_TRUE(PackedWeight::fits(48));
  EXPECT_FALSE(PackedWeight::fits(40));
  EXPECT_THROW(PackedWeight(at::randn({40, 64}), Format::bf16, Rows::plain), c10::Error);
}

}  // namespace
}  // namespace glm
