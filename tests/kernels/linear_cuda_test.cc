// kernels/cuda/linear.cuh, as a step of one call or several, run on the host.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/step.cuh"
// clang-format on

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "kernels/rms_norm.h"
#include "tests/kernels/device_memory.h"
#include "tests/kernels/step_host.h"
#include "tests/kernels/weight_table.h"
#include "tests/support/compare.h"
#include "tests/support/formats.h"

namespace glm {
namespace {

using cuda::Format;

struct Run {
  int splits = 1;
  int blocks = 3;
  uint64_t order = 0;
};

void launch_linear(const cuda::LinearParams& p, const Run& run) {
  cuda::Call call{.kernel = cuda::Kernel::linear, .linear = p};
  run_step({call}, {.blocks = run.blocks, .order = run.order});
}

cuda::LinearParams params_of(const TestWeight& w, const at::Tensor& x) {
  cuda::LinearParams p{};
  p.weight = w.packed;
  p.x = bf16_of(x);
  p.x_stride = static_cast<int>(x.size(1));
  p.batch = static_cast<int>(x.size(0));
  p.splits = 1;
  p.sums_stride = w.packed.rows;
  return p;
}

// fp32 [splits, batch, rows]
at::Tensor linear_sums(const TestWeight& w, const at::Tensor& x, const Run& run) {
  const at::Tensor rows = device_rows(x, w.packed.inner, w.packed.inner + 8);
  const at::Tensor sums = device_empty({run.splits, x.size(0), w.packed.rows}, at::kFloat);
  cuda::LinearParams p = params_of(w, rows);
  p.splits = run.splits;
  p.sums = data_of<float>(sums);
  launch_linear(p, run);
  return sums;
}

at::Tensor random_x(int64_t batch, int64_t inner) {
  return at::randn({batch, inner}).to(at::kBFloat16);
}

class LinearBody : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, LinearBody, testing::ValuesIn(all_formats()));

testing::AssertionResult is_matmul(const Codes& codes, const TestWeight& w, int64_t batch, const Run& run) {
  const at::Tensor x = random_x(batch, codes.code.size(1));
  const at::Tensor expected = at::matmul(x.to(at::kDouble), codes.values.t());
  const at::Tensor sums = linear_sums(w, x, run).to(at::kDouble).sum(0);
  return near(sums, expected, expected.abs().max().item<double>(), tolerance::kStage)
         << ", inner " << codes.code.size(1) << ", batch " << batch << ", splits " << run.splits << ", blocks "
         << run.blocks;
}

TEST_P(LinearBody, IsMatmulOfTheDequantisedWeight) {
  for (const int64_t inner : {32, 64, 80, 128, 192, 1088}) {
    const Codes codes = random_codes(GetParam(), 80, inner);
    const TestWeight w = pack_by_the_table(codes);
    for (const int64_t batch : {1, 2, 7, 8, 9, 16}) {
      for (const int splits : {1, 2, 4}) {
        for (const int blocks : {1, 3, 16}) {
          ASSERT_TRUE(is_matmul(codes, w, batch, {splits, blocks, 0}));
        }
      }
    }
  }
}

// Each warp's queue goes round several times, and over from tile to tile.
TEST_P(LinearBody, IsMatmulOfALongWeight) {
  const Codes codes = random_codes(GetParam(), 64, 4096);
  const TestWeight w = pack_by_the_table(codes);
  for (const int splits : {1, 4}) {
    for (const int64_t batch : {1, 3, 5, 16}) ASSERT_TRUE(is_matmul(codes, w, batch, {splits, 2, 1}));
  }
}

TEST_P(LinearBody, OneTileIsEnough) {
  const Codes codes = random_codes(GetParam(), 16, 640);
  ASSERT_TRUE(is_matmul(codes, pack_by_the_table(codes), 3, {1, 16, 0}));
}

TEST_P(LinearBody, ARowHasTheSameBitsWhateverSharesItsBatch) {
  const TestWeight w = pack_by_the_table(random_codes(GetParam(), 48, 704));
  const at::Tensor x = random_x(16, 704);
  for (const int splits : {1, 2}) {
    const at::Tensor all = linear_sums(w, x, {splits, 3, 0});
    const auto same = [&](const at::Tensor& sums, int64_t first) {
      return at::equal(sums, all.slice(1, first, first + sums.size(1)));
    };
    EXPECT_TRUE(same(linear_sums(w, x, {splits, 16, 5}), 0)) << "another grid, another order of the blocks";
    EXPECT_TRUE(same(linear_sums(w, x.slice(0, 11), {splits, 1, 0}), 11)) << "one group of 8 instead of two";
    for (const int64_t row : {0, 7, 8, 15}) {
      EXPECT_TRUE(same(linear_sums(w, x.slice(0, row, row + 1), {splits, 2, 7}), row)) << row;
    }
  }
}

class CodedLinearBody : public LinearBody {};
INSTANTIATE_TEST_SUITE_P(Formats, CodedLinearBody, testing::ValuesIn(formats_of(/*coded=*/true)));

// x picks numbers of the weight, so that none is lost in a sum.
TEST_P(CodedLinearBody, ComputesWithTheNumbersOfItsCodes) {
  for (const int64_t group : {16, 32, 64, 128}) {
    for (const int64_t inner : {64, 80, 208}) {
      const Codes codes = random_codes(GetParam(), 32, inner, group);
      const TestWeight w = pack_by_the_table(codes);
      for (int64_t first = 0; first < inner; first += 16) {
        const at::Tensor x = at::zeros({16, inner}, at::kBFloat16);
        for (int64_t i = 0; i < std::min<int64_t>(16, inner - first); ++i) x[i][first + i] = 1;
        const at::Tensor picked = linear_sums(w, x, {.splits = 1 + static_cast<int>(first / 16 % 2)}).sum(0);
        const at::Tensor expected = at::matmul(x.to(at::kDouble), codes.values.t());
        ASSERT_TRUE(at::equal(picked.to(at::kDouble), expected)) << "groups of " << group << ", column " << first;
      }
    }
  }
}

TEST_P(CodedLinearBody, HasTheBitsOfTheSameNumbersInBf16) {
  const Codes codes = random_codes(GetParam(), 48, 704);
  const Codes numbers{
      .format = Format::bf16, .code = codes.values.to(at::kBFloat16), .scale = {}, .zero = {}, .values = {}};
  const at::Tensor x = random_x(9, 704);
  for (const int splits : {1, 4}) {
    const at::Tensor sums = linear_sums(pack_by_the_table(codes), x, {splits, 3, 5});
    EXPECT_TRUE(at::equal(sums, linear_sums(pack_by_the_table(numbers), x, {splits, 2, 0}))) << splits;
  }
}

TEST_P(CodedLinearBody, IsMatmulInGroupsOfAnySize) {
  for (const int64_t group : {16, 64, 128}) {
    for (const int64_t inner : {80, 192, 1088}) {
      const Codes codes = random_codes(GetParam(), 48, inner, group);
      const TestWeight w = pack_by_the_table(codes);
      for (const int64_t batch : {1, 9}) {
        for (const int splits : {1, 4}) ASSERT_TRUE(is_matmul(codes, w, batch, {splits, 3, 2})) << ", group " << group;
      }
    }
  }
}

// Products whose sums lie side by side in the same rows, as those of a layer whose parts have several formats.
TEST_P(LinearBody, LeavesAloneWhatElseLiesInARowOfSums) {
  const TestWeight w = pack_by_the_table(random_codes(GetParam(), 32, 128));
  const at::Tensor x = random_x(3, 128);
  const at::Tensor rows = device_rows(x, w.packed.inner, w.packed.inner);
  const at::Tensor sums = device_empty({2, 3, 80}, at::kFloat);
  cuda::LinearParams p = params_of(w, rows);
  p.splits = 2;
  p.sums = data_of<float>(sums) + 16;
  p.sums_stride = 80;
  launch_linear(p, {2, 3, 0});
  EXPECT_TRUE(at::equal(sums.slice(2, 16, 48), linear_sums(w, x, {2, 3, 0})));
  EXPECT_TRUE(at::isnan(sums.slice(2, 0, 16)).all().item<bool>());
  EXPECT_TRUE(at::isnan(sums.slice(2, 48)).all().item<bool>());
}

// A batch row of NaN stays alone.
TEST_P(LinearBody, RowsAreIndependent) {
  const TestWeight w = pack_by_the_table(random_codes(GetParam(), 32, 128));
  const at::Tensor x = random_x(10, 128);
  const at::Tensor clean = linear_sums(w, x, {});
  x[4].fill_(NAN);
  const at::Tensor sums = linear_sums(w, x, {});
  EXPECT_TRUE(at::isnan(sums.select(1, 4)).all().item<bool>());
  sums.select(1, 4).copy_(clean.select(1, 4));
  EXPECT_TRUE(at::equal(sums, clean));
}

// Products of several shapes in one launch, some with fewer tiles than there are blocks: each warp's queue goes over
// from one to the next. The norm between them shows that what follows waits; with one batch row each block norms for
// itself.
class Following {
 public:
  Following(Format format, int64_t batch) : batch_(batch) {
    for (const auto& [rows, inner, splits] : {std::tuple{192, 768, 2}, {160, 192, 1}, {16, 256, 1}, {64, 64, 4}}) {
      products_.push_back({pack_by_the_table(random_codes(format, rows, inner)), splits, random_x(batch, inner)});
    }
    weight_ = device_copy(at::randn({192}).to(at::kBFloat16));
    before_ = device_copy(at::randn({batch, 192}).to(at::kBFloat16));
  }

  void expect_right(const HostStep& how) const {
    std::vector<cuda::Call> calls;
    std::vector<at::Tensor> keep, sums;
    for (const Product& product : products_) {
      keep.push_back(device_rows(product.x, product.weight.packed.inner, product.weight.packed.inner));
      cuda::LinearParams p = params_of(product.weight, keep.back());
      sums.push_back(device_empty({product.splits, batch_, product.weight.packed.rows}, at::kFloat));
      p.splits = product.splits;
      p.sums = data_of<float>(sums.back());
      calls.push_back({.kernel = cuda::Kernel::linear, .linear = p});
    }
    const at::Tensor residual = device_empty({batch_, 192}, at::kBFloat16);
    const at::Tensor x = device_copy(at::zeros({batch_, calls[1].linear.weight.inner}, at::kBFloat16));
    calls[1].linear.x = bf16_of(x);
    calls[1].linear.x_stride = static_cast<int>(x.size(1));
    calls.insert(calls.begin() + 1, {.kernel = cuda::Kernel::norm, .norm = norm_of(sums[0], residual, x)});
    run_step(calls, how);

    const auto alone = [&](size_t i, const at::Tensor& in) {
      return linear_sums(products_[i].weight, in, {products_[i].splits, 2, 0});
    };
    for (const size_t i : {0, 2, 3}) EXPECT_TRUE(at::equal(sums[i], alone(i, products_[i].x))) << "product " << i;
    const at::Tensor y = (sums[0][0] + sums[0][1]).to(at::kBFloat16);
    EXPECT_TRUE(equal_as_bf16(residual, before_ + rms_norm(y, weight_, kEps)));
    const at::Tensor normed = rms_norm(residual, weight_, kEps);
    EXPECT_TRUE(near(sums[1], alone(1, normed), 100, tolerance::kBf16Step)) << "the product of what was normed";
  }

 private:
  struct Product {
    TestWeight weight;
    int splits;
    at::Tensor x;
  };
  static constexpr float kEps = 1e-5f;

  cuda::NormParams norm_of(const at::Tensor& sums, const at::Tensor& residual, const at::Tensor& x) const {
    cuda::NormParams norm{};
    norm.y = data_of<float>(sums);
    norm.splits = products_[0].splits;
    norm.post_weight = norm.pre_weight = bf16_of(weight_);
    norm.before = bf16_of(before_);
    norm.residual = bf16_of(residual);
    norm.x = bf16_of(x);
    norm.x_stride = static_cast<int>(x.size(1));
    norm.dim = 192;
    norm.batch = static_cast<int>(batch_);
    norm.eps = kEps;
    return norm;
  }

  int64_t batch_;
  std::vector<Product> products_;
  at::Tensor weight_, before_;
};

TEST_P(LinearBody, ProductsOfALaunchFollowEachOther) {
  for (const int64_t batch : {1, 3}) {
    const Following following(GetParam(), batch);
    for (uint64_t order = 0; order < 12; ++order) {
      SCOPED_TRACE(testing::Message() << "batch " << batch << ", order " << order);
      following.expect_right({.blocks = order % 2 == 0 ? 3 : 8, .teams = order % 3 == 0 ? 1 : 2, .order = order});
    }
  }
}

TEST_P(LinearBody, GateAndUpAreActivated) {
  for (const int64_t rows : {16, 96}) {
    const Codes codes = random_codes(GetParam(), rows, 256);
    const TestWeight w = pack_by_the_table(codes);
    for (const int64_t batch : {1, 8, 13}) {
      const at::Tensor x = random_x(batch, 256) / 16;
      const at::Tensor sums = linear_sums(w, x, {})[0].view({batch, -1, 2, 8});
      const at::Tensor gate = sums.select(2, 0).reshape({batch, -1}).to(at::kBFloat16);
      const at::Tensor up = sums.select(2, 1).reshape({batch, -1}).to(at::kBFloat16);
      const at::Tensor expected = up * at::silu(gate);

      const at::Tensor in = device_rows(x, 256, 256);
      const at::Tensor out = device_empty({batch, rows / 2 + 8}, at::kBFloat16);
      cuda::LinearParams p = params_of(w, in);
      p.activated = bf16_of(out);
      p.activated_stride = static_cast<int>(out.size(1));
      launch_linear(p, {1, 2, 3});
      EXPECT_TRUE(at::isnan(out.slice(1, rows / 2)).all().item<bool>()) << "written behind the row";
      EXPECT_TRUE(equal_as_bf16(out.slice(1, 0, rows / 2), expected)) << rows << " rows, batch " << batch;
    }
  }
}

}  // namespace
}  // namespace glm
