// kernels/cuda/linear.cuh, run on the host.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/linear.cuh"
// clang-format on

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/kernels/device_memory.h"
#include "tests/kernels/weight_table.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

using cuda::Format;

struct Run {
  int splits = 1;
  int multiprocessors = 3;
  uint64_t order = 0;
};

template <typename F>
void launch_format(const cuda::LinearParams& p, const Run& run) {
  const int units = p.weight.rows / cuda::kTileRows * p.splits;
  simt::launch({{std::min(units, run.multiprocessors), 1, 1},
                cuda::kLinearThreads,
                cuda::linear_shared_bytes<F>(p, std::min(units, run.multiprocessors)),
                run.order},
               [&] { p.batch <= 8 ? cuda::linear<F, 1>(p) : cuda::linear<F, 2>(p); });
}

void launch_linear(const cuda::LinearParams& p, const Run& run) {
  switch (p.weight.format) {
    case Format::bf16:
      return launch_format<cuda::Bf16Format>(p, run);
    case Format::fp8:
      return launch_format<cuda::Fp8Format>(p, run);
    case Format::int8:
      return launch_format<cuda::Int8Format>(p, run);
    case Format::int4:
      return launch_format<cuda::Int4Format>(p, run);
  }
}

cuda::LinearParams params_of(const TestWeight& w, const at::Tensor& x) {
  cuda::LinearParams p{};
  p.weight = w.packed;
  p.x = bf16_of(x);
  p.x_stride = static_cast<int>(x.size(1));
  p.batch = static_cast<int>(x.size(0));
  p.splits = 1;
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
INSTANTIATE_TEST_SUITE_P(Formats, LinearBody, testing::Values(Format::bf16, Format::fp8, Format::int8, Format::int4));

testing::AssertionResult is_matmul(const Codes& codes, const TestWeight& w, int64_t batch, const Run& run) {
  const at::Tensor x = random_x(batch, codes.code.size(1));
  const at::Tensor expected = at::matmul(x.to(at::kDouble), codes.values.t());
  const at::Tensor sums = linear_sums(w, x, run).to(at::kDouble).sum(0);
  return near(sums, expected, expected.abs().max().item<double>(), tolerance::kStage)
         << ", inner " << codes.code.size(1) << ", batch " << batch << ", splits " << run.splits << ", multiprocessors "
         << run.multiprocessors;
}

TEST_P(LinearBody, IsMatmulOfTheDequantisedWeight) {
  for (const int64_t inner : {32, 64, 80, 128, 192, 1088}) {
    const Codes codes = random_codes(GetParam(), 80, inner);
    const TestWeight w = pack_by_the_table(codes);
    for (const int64_t batch : {1, 2, 7, 8, 9, 16}) {
      for (const int splits : {1, 2, 4}) {
        for (const int multiprocessors : {1, 3, 132}) {
          ASSERT_TRUE(is_matmul(codes, w, batch, {splits, multiprocessors, 0}));
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
    for (const int64_t batch : {1, 16}) ASSERT_TRUE(is_matmul(codes, w, batch, {splits, 2, 1}));
  }
}

TEST_P(LinearBody, OneTileIsEnough) {
  const Codes codes = random_codes(GetParam(), 16, 640);
  ASSERT_TRUE(is_matmul(codes, pack_by_the_table(codes), 3, {1, 132, 0}));
}

TEST_P(LinearBody, ARowHasTheSameBitsWhateverSharesItsBatch) {
  const TestWeight w = pack_by_the_table(random_codes(GetParam(), 48, 704));
  const at::Tensor x = random_x(16, 704);
  for (const int splits : {1, 2}) {
    const at::Tensor all = linear_sums(w, x, {splits, 3, 0});
    const auto same = [&](const at::Tensor& sums, int64_t first) {
      return at::equal(sums, all.slice(1, first, first + sums.size(1)));
    };
    EXPECT_TRUE(same(linear_sums(w, x, {splits, 132, 5}), 0)) << "another grid, another order of the blocks";
    EXPECT_TRUE(same(linear_sums(w, x.slice(0, 11), {splits, 1, 0}), 11)) << "one group of 8 instead of two";
    for (const int64_t row : {0, 7, 8, 15}) {
      EXPECT_TRUE(same(linear_sums(w, x.slice(0, row, row + 1), {splits, 2, 7}), row)) << row;
    }
  }
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
