// What a CPU computes between the products of the diffusion transformer: ATen's, and the same bits whatever the
// instructions and the number of threads.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/host/host_kernels.h"
#include "kernels/host/rows.h"
#include "tests/kernels/row_groups.h"
#include "tests/support/compare.h"

namespace glm::host {
namespace {

constexpr double kEps = 1e-5;

class HostRows : public testing::TestWithParam<at::ScalarType> {
 protected:
  HostRows() { at::manual_seed(9); }
  ~HostRows() override { at::set_num_threads(threads_); }
  HostRows(const HostRows&) = delete;
  HostRows& operator=(const HostRows&) = delete;

  at::Tensor drawn(at::IntArrayRef shape, double mean = 0) const { return (at::randn(shape) + mean).to(GetParam()); }
  Type type() const { return GetParam() == at::kBFloat16 ? Type::bf16 : Type::fp32; }

  // Is it ATen's result? An fp32 sum in another order has other last bits.
  static testing::AssertionResult is_atens(const at::Tensor& ours, const at::Tensor& right) {
    if (ours.scalar_type() == at::kBFloat16) return equal_as_bf16(ours.contiguous(), right.contiguous());
    return near(ours.contiguous(), right.contiguous(), right.abs().max().item<double>(), tolerance::kStage);
  }

 private:
  int threads_ = at::get_num_threads();
};

const std::vector<std::vector<SequenceRows>>& sequence_cases() {
  static const std::vector<std::vector<SequenceRows>> all = {{{0, 1}}, {{2, 40}, {0, 40}}, {{517, 64}, {2, 64}}};
  return all;
}

TEST_P(HostRows, ModulationIsATensInAnyNumberOfThreads) {
  for (const std::vector<SequenceRows>& sequences : sequence_cases()) {
    const std::vector<RowGroup> groups = groups_of(sequences);
    for (const int64_t dim : {1, 15, 64, 200, 4096}) {
      for (const auto& [adds, norms] : {std::pair{true, true}, std::pair{true, false}, std::pair{false, true}}) {
        SCOPED_TRACE(testing::Message() << groups.back().end << " rows of " << dim << ", " << adds << norms);
        const at::Tensor x = drawn({groups.back().end, dim}, 3);
        const at::Tensor tables = drawn({2, 3 * dim});  // side by side, as a block's product has them
        std::optional<Gated> product;
        std::optional<Modulation> modulation;
        if (adds) product = {drawn(x.sizes()), tables.slice(1, 0, dim)};
        if (norms) modulation = {tables.slice(1, dim, 2 * dim), tables.slice(1, 2 * dim)};
        ASSERT_TRUE(takes_rows(x, {tables.slice(1, dim, 2 * dim)}));
        at::Tensor right = x;
        const at::Tensor right_norm = modulate_by_aten(right, product, groups, modulation, kEps);
        at::Tensor first;
        for (const int threads : {1, 3}) {
          at::set_num_threads(threads);
          at::Tensor ours = x;
          const at::Tensor norm = DecoderKernels().modulate(ours, product, groups, modulation, kEps);
          EXPECT_TRUE(at::equal(ours, right)) << "the sum";
          ASSERT_EQ(norm.defined(), norms);
          if (!norms) continue;
          EXPECT_TRUE(is_atens(norm, right_norm));
          if (!first.defined()) first = norm;
          EXPECT_TRUE(at::equal(norm, first)) << threads << " threads";
        }
      }
    }
  }
}

TEST_P(HostRows, HeadsAreATensInAnyNumberOfThreads) {
  for (const std::vector<SequenceRows>& sequences : sequence_cases()) {
    for (const auto& [heads, head] : std::vector<std::pair<int64_t, int64_t>>{{3, 64}, {2, 128}, {5, 10}, {1, 2}}) {
      const int64_t rows = groups_of(sequences).back().end;
      SCOPED_TRACE(testing::Message() << rows << " rows, " << heads << " heads of " << head);
      const at::Tensor qkv = drawn({rows, 3, heads, head}, 2);
      const at::Tensor angles = at::randn({sequences[0].image, head}) * 3;
      const RotaryTable rotary{angles.cos(), angles.sin()};
      const at::Tensor right = norm_heads_by_aten(qkv, sequences, rotary, kEps);
      at::Tensor first;
      for (const int threads : {1, 3}) {
        at::set_num_threads(threads);
        const at::Tensor own = qkv.clone();
        const at::Tensor ours = DecoderKernels().norm_heads(own, sequences, rotary, kEps);
        EXPECT_TRUE(is_atens(ours, right));
        EXPECT_TRUE(at::equal(own.select(1, 2), qkv.select(1, 2))) << "values stay";
        if (!first.defined()) first = ours;
        EXPECT_TRUE(at::equal(ours, first)) << threads << " threads";
      }
    }
  }
}

// Every bf16 number, and as many floats between.
TEST_P(HostRows, GeluIsATensInAnyNumberOfThreads) {
  at::Tensor all = at::arange(0, 1 << 16, at::kInt).to(at::kShort).view(at::kBFloat16).to(at::kFloat);
  all = all.masked_select(all.isfinite());
  const at::Tensor x = (type() == Type::fp32 ? at::cat({all, all * 1.003}) : all).to(GetParam()).view({2, -1});
  const at::Tensor right = at::gelu(x.to(at::kDouble), "tanh").to(GetParam());
  at::Tensor first;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    const at::Tensor ours = x.clone();
    gelu_tanh(ours);
    EXPECT_TRUE(at::equal(ours.isinf(), right.isinf()));
    const at::Tensor apart = (ours.to(at::kDouble) - right.to(at::kDouble)).abs();
    // A result may be a step of its own size off. Where 1 + tanh(u) is nearly 0, upstream's fp32 is exact to 1e-7 of x.
    const double step = type() == Type::fp32 ? 1e-6 : 1.0 / 128;
    const at::Tensor allowed = right.to(at::kDouble).abs() * step + x.to(at::kDouble).abs() * 1e-7;
    EXPECT_TRUE((apart <= allowed).logical_or(right.isinf()).all().item<bool>());
    if (!first.defined()) first = ours;
    EXPECT_TRUE(at::equal(ours, first)) << threads << " threads";
  }
  at::Tensor strange = at::full({1, 5}, std::numeric_limits<double>::quiet_NaN(), GetParam());
  gelu_tanh(strange);
  EXPECT_TRUE(strange.isnan().all().item<bool>());
}

TEST_P(HostRows, AreTheSameForAnyInstructions) {
  for (const int64_t dim : {7, 64, 203}) {
    const at::Tensor parts = drawn({6, dim}, 1);
    const at::Tensor angles = at::randn({2, dim});
    at::Tensor first;
    for (const char* name : {"plain", "avx2", "avx512"}) {
      const Kernels* kernels = kernels_named(name);
      if (kernels == nullptr) continue;
      const at::Tensor own = parts.clone();
      const at::Tensor sum = at::zeros_like(parts[0]);
      const at::Tensor norm = at::zeros_like(parts[0]);
      kernels->modulate({.type = type(),
                         .dim = dim,
                         .eps = 1e-5F,
                         .x = own[0].const_data_ptr(),
                         .y = own[1].const_data_ptr(),
                         .gate = own[2].const_data_ptr(),
                         .sum = sum.data_ptr(),
                         .scale = own[3].const_data_ptr(),
                         .shift = own[4].const_data_ptr(),
                         .normed = norm.data_ptr()});
      kernels->gelu(own[5].data_ptr(), type(), dim);
      kernels->norm_heads({.type = type(),
                           .heads = 1,
                           .head = dim - dim % 2,
                           .eps = 1e-5F,
                           .cosines = angles[0].const_data_ptr<float>(),
                           .sines = angles[1].const_data_ptr<float>(),
                           .x = own[0].data_ptr()});
      const at::Tensor all = at::cat({own, sum.unsqueeze(0), norm.unsqueeze(0)});
      if (!first.defined()) first = all;
      EXPECT_TRUE(at::equal(all, first)) << name << " " << dim;
    }
  }
}

// Other types, and rows that don't lie one behind the other, are left to ATen.
TEST(HostRowsOfOtherKinds, AreLeftToATen) {
  EXPECT_FALSE(takes_rows(at::zeros({4, 4}, at::kHalf), {}));
  EXPECT_FALSE(takes_rows(at::zeros({4, 4}).t(), {}));
  EXPECT_FALSE(takes_rows(at::zeros({0, 4}), {}));
  EXPECT_FALSE(takes_rows(at::zeros({4, 4}), {at::zeros({1, 4}, at::kBFloat16)}));
  EXPECT_FALSE(takes_rows(at::zeros({4, 4}), {at::zeros({4, 4}).t()}));
  EXPECT_FALSE(takes_rows(at::zeros({4, 4}), {at::zeros({1, 2})}));
  const at::Tensor table = at::zeros({4, 4});
  EXPECT_TRUE(takes_rotation({table, table}, {{2, 4}}, 4));
  EXPECT_FALSE(takes_rotation({table, table}, {{2, 4}}, 8));
  EXPECT_FALSE(takes_rotation({table, table}, {{2, 4}, {0, 5}}, 4));
  EXPECT_FALSE(takes_rotation({table.to(at::kBFloat16), table.to(at::kBFloat16)}, {{2, 4}}, 4));
  at::Tensor x = at::randn({3, 8}).to(at::kHalf);
  const at::Tensor half = at::randn({1, 8}).to(at::kHalf);
  const at::Tensor right = modulate_by_aten(x, {}, {{0, 3, 0}}, Modulation{half, half}, kEps);
  EXPECT_TRUE(at::equal(DecoderKernels().modulate(x, {}, {{0, 3, 0}}, Modulation{half, half}, kEps), right));
}

INSTANTIATE_TEST_SUITE_P(Types, HostRows, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(at::toString(type.param)); });

}  // namespace
}  // namespace glm::host
