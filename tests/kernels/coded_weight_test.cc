// Weights that stay codes: their numbers, and products with them.
#include "kernels/coded_weight.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/host/host_kernels.h"
#include "kernels/host/products.h"
#include "kernels/linear.h"
#include "kernels/packed_weight.h"
#include "kernels/quantiser.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

using Coding = CodedWeight::Coding;

struct Case {
  Coding coding;
  at::ScalarType number;
  int64_t out, in, group;
  bool zeros;
  double scale;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {Coding::auto_round, at::kHalf, 24, 256, 128, false, 0.01},
      {Coding::auto_round, at::kHalf, 8, 96, 32, true, 0.01},
      {Coding::auto_round, at::kHalf, 40, 200, 64, true, 3e-6},  // products that fp16 has only with fewer bits
      {Coding::auto_round, at::kHalf, 8, 72, 128, false, 200},
      {Coding::uint4, at::kFloat, 33, 320, 64, true, 0.02},
      {Coding::uint4, at::kBFloat16, 16, 64, 32, true, 0.02},
      {Coding::uint4, at::kHalf, 5, 38, 38, true, 0.02},
      {Coding::int5, at::kFloat, 20, 256, 128, false, 0.02},
      {Coding::int5, at::kBFloat16, 7, 40, 20, false, 0.02},
      {Coding::float5, at::kFloat, 17, 128, 128, false, 0.02},
      {Coding::float5, at::kBFloat16, 3, 8, 2, false, 5},
      {Coding::int4, at::kBFloat16, 26, 640, 128, true, 0.02},
      {Coding::int8, at::kFloat, 15, 333, 333, false, 0.02},
      {Coding::int8, at::kFloat, 4, 12, 12, false, 0.02},
      {Coding::uint4, at::kFloat, 301, 1024, 64, true, 0.02},  // enough for several threads
  };
  return all;
}

CodedWeight random_weight(const Case& c) {
  at::manual_seed(7);
  const int64_t groups = (c.in + c.group - 1) / c.group;
  CodedWeight w{.coding = c.coding, .in = c.in, .group = c.group, .codes = {}, .scales = {}, .zeros = {}};
  w.codes = w.bits() == 4 ? at::randint(256, {c.out, c.in / 2}, at::kByte)
                          : at::randint(1 << w.bits(), {c.out, c.in}, at::kByte);
  w.scales = (at::randn({c.out, groups}) * c.scale).to(c.number);
  const bool whole = c.coding == Coding::auto_round || c.coding == Coding::int4;
  if (c.zeros && whole) w.zeros = at::randint(1, 17, {c.out, groups}).to(c.number);
  if (c.zeros && !whole) w.zeros = (at::randn({c.out, groups}) * c.scale).to(c.number);
  return w;
}

TEST(CodedWeight, NumbersAreThoseOfAten) {
  for (const Case& c : cases()) {
    const CodedWeight w = random_weight(c);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      EXPECT_TRUE(at::equal(w.numbers(dtype, 0, c.out), w.numbers_by_aten(dtype, 0, c.out))) << c.in << " " << c.group;
      EXPECT_TRUE(at::equal(w.numbers(dtype, 1, 3), w.numbers_by_aten(dtype, 0, c.out).slice(0, 1, 3)));
    }
  }
}

TEST(CodedWeight, NumbersAreTheSameForAnyInstructions) {
  for (const Case& c : cases()) {
    const CodedWeight w = random_weight(c);
    const host::Codes codes = w.host_codes(at::kBFloat16);
    const at::Tensor right = w.numbers_by_aten(at::kBFloat16, 0, c.out).to(at::kFloat);
    for (const char* name : {"plain", "avx2", "avx512"}) {
      const host::Kernels* kernels = host::kernels_named(name);
      if (kernels == nullptr) continue;
      const at::Tensor found = at::empty({c.in});
      for (int64_t row = 0; row < c.out; ++row) {
        kernels->decode(codes, row, 0, c.in, found.data_ptr<float>());
        ASSERT_TRUE(at::equal(found, right[row])) << name << " row " << row << " of " << c.in << " columns";
        const int64_t begin = c.in / 4 * 2;  // in the middle of a group
        kernels->decode(codes, row, begin, c.in, found.data_ptr<float>());
        ASSERT_TRUE(at::equal(found.slice(0, 0, c.in - begin), right[row].slice(0, begin))) << name;
      }
    }
  }
}

// Upstream: the magnitudes of sdnq's float5_e3m1fn
TEST(CodedWeight, FloatsOfFiveBitsAreUpstreams) {
  const CodedWeight w{.coding = Coding::float5,
                      .in = 32,
                      .group = 32,
                      .codes = at::arange(32, at::kByte).unsqueeze(0),
                      .scales = at::ones({1, 1}),
                      .zeros = {}};
  const std::vector<float> magnitudes = {0, .125F, .25F, .375F, .5F, .75F, 1, 1.5F, 2.F, 3, 4, 6, 8, 12, 16, 24};
  const at::Tensor right = at::tensor(magnitudes);
  EXPECT_TRUE(at::equal(w.numbers(at::kFloat, 0, 1)[0], at::cat({right, -right})));
}

TEST(CodedWeight, ProductsHaveTheBitsOfADenseWeight) {
  const int threads = at::get_num_threads();
  for (const Case& c : cases()) {
    const CodedWeight w = random_weight(c);
    const at::Tensor dense = w.numbers(at::kBFloat16, 0, c.out);
    const at::Tensor bias = at::randn({c.out}).to(at::kBFloat16);
    for (const int64_t rows : {1, 5, 16, 17, 800}) {
      const at::Tensor x = at::randn({rows, c.in}).to(at::kBFloat16);
      const at::Tensor right = host::product(x, dense, bias);
      for (const int count : {1, 3}) {
        at::set_num_threads(count);
        EXPECT_TRUE(at::equal(host::product(x, w.host_codes(at::kBFloat16), c.out, bias), right)) << rows;
      }
      if (host::takes_products(x)) {
        EXPECT_TRUE(at::equal(coded_linear(x, w, bias), linear_layer(x, dense, bias)));
      }
    }
  }
  at::set_num_threads(threads);
}

// The packer for a GPU has tests of its own, which quantise number by number.
TEST(CodedWeight, QuantisedNumbersAreThoseOfAGpu) {
  at::manual_seed(3);
  for (const auto& [coding, format] :
       {std::pair{Coding::int4, cuda::Format::int4}, {Coding::int8, cuda::Format::int8}}) {
    for (const int64_t in :
         {256, 320, 17408}) {  // 320 is no multiple of 128; 4 million numbers are quantised at a time
      at::Tensor weight = (at::randn({512, in}) * 0.02).to(at::kBFloat16);
      weight[3].zero_();
      weight[5].slice(0, 0, 128).abs_();
      const CodedWeight w = quantised(weight, coding);
      EXPECT_EQ(w.bits(), coding == Coding::int4 && in % 128 == 0 ? 4 : 8);
      const at::Tensor right = PackedWeight(weight, format, PackedWeight::Rows::plain).dense();
      EXPECT_TRUE(at::equal(w.numbers(at::kBFloat16, 0, 512), right)) << in;
    }
  }
}

TEST(CodedWeight, ProductsInFp32AreAtens) {
  for (const Case& c : cases()) {
    const CodedWeight w = random_weight(c);
    for (const int64_t rows : {1, 40}) {
      const at::Tensor x = at::randn({2, rows, c.in});
      const at::Tensor right = at::linear(x, w.numbers(at::kFloat, 0, c.out), at::Tensor());
      EXPECT_TRUE(near(coded_linear(x, w, at::Tensor()), right, right.abs().max().item<double>(), tolerance::kStage));
    }
  }
}

// A tile has 4 million numbers.
TEST(CodedWeight, LargeWeightsAreMultipliedInTiles) {
  const CodedWeight w = random_weight({Coding::uint4, at::kFloat, 5000, 1024, 64, true, 0.02});
  const at::Tensor x = at::randn({20, 1024});
  const at::Tensor bias = at::randn({5000});
  const at::Tensor right = at::linear(x, w.numbers(at::kFloat, 0, 5000), bias);
  EXPECT_TRUE(near(coded_linear(x, w, bias), right, right.abs().max().item<double>(), tolerance::kStage));
}

TEST(CodedWeight, IsStackedWithItsLikeOnly) {
  const Case plain{Coding::uint4, at::kFloat, 6, 64, 32, true, 0.02};
  Case taller = plain;
  taller.out = 10;
  const auto both = stacked({random_weight(plain), random_weight(taller)});
  ASSERT_TRUE(both);
  EXPECT_TRUE(at::equal(both->numbers(at::kFloat, 6, 16), random_weight(taller).numbers(at::kFloat, 0, 10)));
  for (const Case& other : {Case{Coding::int5, at::kFloat, 6, 64, 32, false, 1},
                            {Coding::uint4, at::kFloat, 6, 64, 64, true, 1},
                            {Coding::uint4, at::kBFloat16, 6, 64, 32, true, 1}}) {
    EXPECT_FALSE(stacked({random_weight(plain), random_weight(other)}));
  }
}

}  // namespace
}  // namespace glm
