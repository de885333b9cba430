// The CPU's kernels: right, and the same bits whatever the instructions, the number of rows and the share of a thread.
#include "kernels/host/host_kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

#include "kernels/attention.h"
#include "kernels/host/elementwise.h"
#include "kernels/host/sample.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "tests/support/compare.h"

namespace glm::host {
namespace {

const char* const kNames[] = {"plain", "avx2", "avx512"};

class HostKernels : public testing::TestWithParam<at::ScalarType> {
 protected:
  HostKernels() { at::manual_seed(7); }

  at::Tensor drawn(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
  static at::Tensor copied(const at::Tensor& x) { return x.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true); }
  Type type() const { return GetParam() == at::kBFloat16 ? Type::bf16 : Type::fp32; }

  at::Tensor multiplied(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                        const std::vector<int64_t>& shares) const {
    at::Tensor y = at::full({x.size(0), weight.size(0)}, std::numeric_limits<double>::quiet_NaN(), at::kFloat);
    const Product product{.weight = {weight.const_data_ptr(), type()},
                          .in = weight.size(1),
                          .x = x.const_data_ptr<float>(),
                          .x_stride = x.size(1),
                          .rows = x.size(0),
                          .y = y.data_ptr<float>(),
                          .y_stride = y.size(1)};
    for (size_t i = 0; i + 1 < shares.size(); ++i) kernels.multiply(product, shares[i], shares[i + 1]);
    return y;
  }
};

TEST_P(HostKernels, ProductsAreRightAndTheSameInAnyOrder) {
  for (const auto& [in, out] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {15, 3}, {16, 24}, {192, 50}, {1003, 31}}) {
    const at::Tensor x = at::randn({16, in});
    const at::Tensor weight = drawn({out, in});
    const at::Tensor right = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t()).to(at::kFloat);
    const at::Tensor whole = multiplied(*kernels_named("plain"), x, weight, {0, out});
    EXPECT_TRUE(near(whole, right, right.abs().max().item<double>(), tolerance::kStage)) << in;
    for (const char* name : kNames) {
      const Kernels* kernels = kernels_named(name);
      if (kernels == nullptr) continue;
      for (int64_t rows = 1; rows <= 16; ++rows) {
        const at::Tensor some = multiplied(*kernels, x.slice(0, 0, rows), weight, {0, out / 3, out / 2, out});
        EXPECT_TRUE(at::equal(some, whole.slice(0, 0, rows))) << name << " " << in << " " << rows;
      }
    }
  }
}

TEST_P(HostKernels, AttentionIsRightAndTheSameForAnyInstructions) {
  for (const int64_t heads : {1, 3, 8, 11}) {
    for (const auto& [head, length] : std::vector<std::pair<int64_t, int64_t>>{{8, 1}, {20, 7}, {64, 333}, {128, 40}}) {
      const at::Tensor q = at::randn({heads, head});
      const at::Tensor keys = drawn({length, head});
      const at::Tensor values = drawn({length, head});
      const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
      const at::Tensor weights = at::softmax(at::matmul(wide(q), wide(keys).t()) * 0.25, -1);
      const at::Tensor right = at::matmul(weights, wide(values)).to(at::kFloat);
      at::Tensor first;
      for (const char* name : kNames) {
        const Kernels* kernels = kernels_named(name);
        if (kernels == nullptr) continue;
        at::Tensor out = at::zeros({heads, head});
        std::vector<float> scores(static_cast<size_t>(8 * length));
        kernels->attend({.q = q.const_data_ptr<float>(),
                         .keys = keys.const_data_ptr(),
                         .values = values.const_data_ptr(),
                         .type = type(),
                         .heads = heads,
                         .head = head,
                         .length = length,
                         .scale = 0.25F,
                         .scores = scores.data(),
                         .out = out.data_ptr<float>()});
        EXPECT_TRUE(near(out, right, right.abs().max().item<double>(), tolerance::kStage)) << name;
        if (!first.defined()) first = out;
        EXPECT_TRUE(at::equal(out, first)) << name;
      }
    }
  }
}

// Each 997th float is looked at, with either sign.
TEST(HostExponentials, AreRightForEveryKindOfNumber) {
  std::vector<float> all = {-0.0F, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  for (uint32_t bits = 0; bits < 0x7f800000U; bits += 997) {
    all.push_back(std::bit_cast<float>(bits));
    all.push_back(-all.back());
  }
  const auto count = static_cast<int64_t>(all.size());
  std::vector<float> plain = all;
  std::vector<float> gates = all;
  kernels_named("plain")->exponentials(plain.data(), count, 0);
  kernels_named("plain")->silu(gates.data(), count);
  const auto is_right = [](float x, float result) {
    const double right = std::exp(static_cast<double>(x));
    if (std::isnan(right)) return std::isnan(result);
    if (right > std::numeric_limits<float>::max()) return std::isinf(result);
    if (right == 0) return result == 0;
    const double place = std::max(std::ldexp(1.0, std::ilogb(right) - 23), std::ldexp(1.0, -149));
    return std::abs(static_cast<double>(result) - right) <= 2 * place;
  };
  for (size_t i = 0; i < all.size(); ++i) ASSERT_TRUE(is_right(all[i], plain[i])) << all[i] << " gave " << plain[i];
  for (const char* name : kNames) {
    const Kernels* kernels = kernels_named(name);
    if (kernels == nullptr) continue;
    std::vector<float> own_gates = all;
    kernels->silu(own_gates.data(), count);
    EXPECT_EQ(std::memcmp(own_gates.data() + 4, gates.data() + 4, (all.size() - 4) * sizeof(float)), 0) << name;
    for (const int64_t some : {int64_t{1}, int64_t{15}, int64_t{17}, count}) {
      std::vector<float> own(all.begin() + 3, all.begin() + 3 + std::min(some, count - 3));
      kernels->exponentials(own.data(), static_cast<int64_t>(own.size()), 0);
      EXPECT_EQ(std::memcmp(own.data() + 1, plain.data() + 4, (own.size() - 1) * sizeof(float)), 0) << name << some;
    }
  }
}

// The row is widened, and comes back as the model's type has it.
TEST_P(HostKernels, NormIsTheReferences) {
  for (const int64_t dim : {5, 64, 999}) {
    const at::Tensor x = drawn({dim});
    const at::Tensor weight = drawn({dim});
    at::Tensor y = copied(x);
    rms_norm(y.const_data_ptr<float>(), weight.const_data_ptr(), type(), dim, 1e-5F, y.data_ptr<float>());
    const at::Tensor right = glm::rms_norm(x, weight, 1e-5);
    if (type() == Type::bf16) {
      EXPECT_TRUE(equal_as_bf16(y.to(at::kBFloat16), right));
      EXPECT_TRUE(at::equal(y.to(at::kBFloat16).to(at::kFloat), y)) << "rounded";
    } else {
      EXPECT_TRUE(near(y, right, right.abs().max().item<double>(), tolerance::kStage));
    }
  }
}

TEST_P(HostKernels, RotationIsTheReferences) {
  const at::Tensor x = drawn({1, 3, 20});
  const RotaryTable table{drawn({1, 12}), drawn({1, 12})};
  at::Tensor y = copied(x);
  rotate({table.cos.const_data_ptr(), table.sin.const_data_ptr(), type(), 20, 12}, 3, y.data_ptr<float>());
  EXPECT_TRUE(at::equal(y.to(GetParam()), glm::rotate(x, table)));
}

TEST_P(HostKernels, SumsBiasesAndGatesAreTheReferences) {
  const at::Tensor x = drawn({40});
  const at::Tensor y = drawn({40});
  at::Tensor sum = copied(x);
  add(y.to(at::kFloat).const_data_ptr<float>(), type(), 40, sum.data_ptr<float>());
  EXPECT_TRUE(at::equal(sum.to(GetParam()), x + y));

  at::Tensor biased = copied(x);
  finish_product(y.const_data_ptr(), type(), 40, biased.data_ptr<float>());
  EXPECT_TRUE(at::equal(biased, sum));
  at::Tensor product = at::randn({40});
  const at::Tensor rounded_once = product.to(GetParam()).to(at::kFloat);
  finish_product(nullptr, type(), 40, product.data_ptr<float>());
  EXPECT_TRUE(at::equal(product, rounded_once));

  at::Tensor gated = at::cat({x, y}).to(at::kFloat);
  silu_multiply(type(), 40, gated.data_ptr<float>());
  const at::Tensor right = at::silu(x) * y;
  if (type() == Type::bf16) {
    EXPECT_TRUE(equal_as_bf16(gated.slice(0, 0, 40).to(at::kBFloat16), right));
  } else {
    EXPECT_TRUE(near(gated.slice(0, 0, 40), right, right.abs().max().item<double>(), tolerance::kStage));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, HostKernels, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(at::toString(type.param)); });

// Every bf16 number, and floats between them, are rounded as ATen rounds them.
TEST(HostRounding, IsATens) {
  const at::Tensor all = at::arange(0, 1 << 16, at::kInt).to(at::kShort).view(at::kBFloat16);
  std::vector<float> wide(1 << 16);
  widen(all.const_data_ptr(), Type::bf16, 1 << 16, wide.data());
  const at::Tensor widened = at::from_blob(wide.data(), {1 << 16}).clone();
  const at::Tensor finite = widened.isfinite();
  EXPECT_TRUE(at::equal(widened.masked_select(finite), all.to(at::kFloat).masked_select(finite)));
  EXPECT_TRUE(at::equal(widened.isnan(), all.isnan()));
  for (const double part : {0.25, 0.5, 0.500001, 0.75, 1.5}) {
    const at::Tensor between = widened * (1 + part / 128);
    at::Tensor narrowed = at::empty({1 << 16}, at::kBFloat16);
    narrow(between.const_data_ptr<float>(), 1 << 16, Type::bf16, narrowed.data_ptr());
    const at::Tensor right = between.to(at::kBFloat16);
    EXPECT_TRUE(at::equal(narrowed.isnan(), right.isnan()));
    EXPECT_TRUE(at::equal(narrowed.masked_select(~right.isnan()), right.masked_select(~right.isnan()))) << part;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  at::BFloat16 narrowed = 0;
  narrow(&nan, 1, Type::bf16, &narrowed);
  EXPECT_TRUE(std::isnan(static_cast<float>(narrowed)));
}

TEST(HostKernelNames, AreKnownAndTheBestIsOneOfThem) {
  ASSERT_NE(kernels_named("plain"), nullptr);
  EXPECT_EQ(kernels_named("sse9"), nullptr);
  EXPECT_EQ(kernels_named(best_kernels().name), &best_kernels());
}

// Rows of few and many ids, flat and steep, with ties; tokens that ATen draws.
TEST(HostSampler, DrawsTheReferencesTokens) {
  at::manual_seed(3);
  for (const int64_t count : {2, 17, 1152, 16'512}) {
    for (const double steepness : {0.1, 1.0, 8.0}) {
      for (const auto& [temperature, top_p, top_k] : std::vector<std::tuple<double, double, int64_t>>{
               {0.6, 0.75, 1152}, {1.0, 1.0, 0}, {0.9, 0.95, 40}, {1.3, 0.01, 0}, {0.2, 0.0, 0}, {2.0, 0.5, 1}}) {
        const SamplingOptions options{.temperature = temperature, .top_p = top_p, .top_k = top_k};
        Sampler sampler(options);
        for (int round = 0; round < 12; ++round) {
          at::Tensor logits = at::randn({1, count}) * steepness;
          if (round % 3 == 1) logits = logits.to(at::kBFloat16).to(at::kFloat);  // many are equal
          const int64_t legal = round % 2 == 0 ? count : (count + 1) / 2;
          if (round % 4 == 3) logits.slice(1, legal).fill_(20 * steepness);  // illegal ids take the whole nucleus
          const at::Tensor exponential = at::empty({1, count}).exponential_();
          const int64_t token =
              sampler.sample(logits.const_data_ptr<float>(), exponential.const_data_ptr<float>(), count, legal);
          EXPECT_EQ(token, sample(logits, exponential, legal, options).item<int64_t>())
              << count << " " << steepness << " " << temperature << " " << top_p << " " << top_k << " " << round;
        }
      }
    }
  }
}

TEST(HostSampler, TakesTheLikeliestAndSurvivesWhatIsNoNumber) {
  const std::vector<float> logits = {1, 5, 5, 9};
  EXPECT_EQ(Sampler({.greedy = true}).sample(logits.data(), nullptr, 4, 3), 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> ones(4, 1.0F);
  for (const std::vector<float>& strange : {std::vector<float>{nan, nan, nan, nan},
                                            {1, nan, 2, 3},
                                            {infinite, 1, 2, 3},
                                            {-infinite, -infinite, -infinite, -infinite}}) {
    for (const double top_p : {0.5, 1.0}) {
      for (const int64_t top_k : {0, 2}) {
        const int64_t token =
            Sampler({.top_p = top_p, .top_k = top_k}).sample(strange.data(), ones.data(), strange.size(), 3);
        EXPECT_GE(token, 0);
        EXPECT_LT(token, 3);
      }
    }
  }
}

}  // namespace
}  // namespace glm::host
