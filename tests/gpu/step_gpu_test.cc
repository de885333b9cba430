// Token after token: call by call, as few launches, as a graph.
#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "tests/gpu/gpu_test.h"
#include "tests/gpu/token_step.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

using cuda::Format;

constexpr StepShape kSmall{3, 256, 640, 16, 1, 1008, 1000, 64};
constexpr StepShape kTwoPublicLayers{2, 4096, 13696, 32, 2, 16512, 16384, 64};

struct Result {
  at::Tensor written, keys, values, logits, residual;
};

class StepOnGpu : public GpuTest, public testing::WithParamInterface<Format> {
 protected:
  StepWeights random_weights(const StepShape& shape) {
    return make_step_weights(gpu(), shape, [&](int rows, int inner, PackedWeight::Rows) {
      return random_weight(gpu(), GetParam(), rows, inner, keep_);
    });
  }

  // The same tokens four ways.
  void expect_all_ways_agree(const StepWeights& weights, int batch, int length, int tokens, int times) {
    SCOPED_TRACE("batch " + std::to_string(batch));
    TokenStep step(gpu(), weights, {.batch = batch, .capacity = length + tokens + 3, .tokens = tokens});
    const Calls calls = step.calls();
    const at::Tensor keys = step.keys().clone();
    const at::Tensor values = step.values().clone();
    const auto draw = [&](const auto& token) {
      step.keys().copy_(keys);
      step.values().copy_(values);
      step.reset(length);
      for (int i = 0; i < tokens; ++i) token();
      return Result{step.written().clone(), step.keys().clone(), step.values().clone(), step.logits().clone(),
                    step.residual().clone()};
    };
    const Result expected = draw([&] {
      for (const cuda::Call& call : calls) run(gpu(), {call});
    });
    EXPECT_FALSE(step.not_finite().any().item<bool>());
    EXPECT_TRUE((expected.written >= 0).all().item<bool>());
    EXPECT_FALSE(same_bits(expected.keys, keys));
    const auto agrees = [&](const Result& r) {
      EXPECT_TRUE(at::equal(r.written, expected.written));
      EXPECT_TRUE(same_bits(r.keys, expected.keys));
      EXPECT_TRUE(same_bits(r.values, expected.values));
      EXPECT_TRUE(same_bits(r.logits, expected.logits));
      EXPECT_TRUE(same_bits(r.residual, expected.residual));
      return !HasFailure();
    };
    const Graph graph(gpu(), calls);
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(agrees(draw([&] { run(gpu(), calls); }))) << "in few launches, run " << i;
      ASSERT_TRUE(agrees(draw([&] { graph.replay(1); }))) << "as a graph, run " << i;
    }
  }

 private:
  std::vector<at::Tensor> keep_;
};

INSTANTIATE_TEST_SUITE_P(Formats, StepOnGpu, testing::ValuesIn(all_formats()), test_name);

TEST_P(StepOnGpu, SmallModelDrawsTheSameEveryWay) {
  const StepWeights weights = random_weights(kSmall);
  for (const int batch : {1, 3, 16}) expect_all_ways_agree(weights, batch, 120, 40, 5);
}

TEST_P(StepOnGpu, PublicLayersDrawTheSameEveryWay) {
  const StepWeights weights = random_weights(kTwoPublicLayers);
  for (const int batch : {1, 3, 16}) expect_all_ways_agree(weights, batch, 500, 30, 3);
}

class Launches : public GpuTest {};

TEST_F(Launches, AreCounted) {
  std::vector<at::Tensor> keep;
  const StepWeights weights = make_step_weights(gpu(), kSmall, [&](int rows, int inner, PackedWeight::Rows) {
    return random_weight(gpu(), Format::bf16, rows, inner, keep);
  });
  TokenStep step(gpu(), weights, {.batch = 2, .capacity = 40, .tokens = 20});
  step.reset(10);
  const auto count = [&](cuda::Kernel kernel) { return gpu().library->launches(kernel); };
  const uint64_t linear = count(cuda::Kernel::linear);
  const uint64_t sample = count(cuda::Kernel::sample);
  run(gpu(), step.calls());
  EXPECT_EQ(count(cuda::Kernel::linear) - linear, 13u);
  Graph(gpu(), step.calls()).replay(4);
  EXPECT_EQ(count(cuda::Kernel::linear) - linear, 13u * 5);
  EXPECT_EQ(count(cuda::Kernel::sample) - sample, 5u);
}

TEST_F(Launches, WhatCanNotBeLaunchedIsAnErrorWithATextAndTheNextCallWorks) {
  std::vector<at::Tensor> keep;
  const StepWeights weights = make_step_weights(gpu(), kSmall, [&](int rows, int inner, PackedWeight::Rows) {
    return random_weight(gpu(), Format::bf16, rows, inner, keep);
  });
  TokenStep step(gpu(), weights, {.batch = 1, .capacity = 40, .tokens = 20});
  step.reset(10);
  Calls calls = step.calls();
  calls.back().sample.batch = 0;  // a grid of no blocks
  EXPECT_THROW(run(gpu(), calls), std::runtime_error);
  EXPECT_THROW(Graph(gpu(), calls), std::runtime_error);
  run(gpu(), step.calls());
  EXPECT_GE(step.written()[0][0].item<int>(), 0);
}

// One token of the small model, against the same layers in ATen.
class StepAgainstAten : public GpuTest, public testing::WithParamInterface<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, StepAgainstAten, testing::ValuesIn(all_formats()), test_name);

TEST_P(StepAgainstAten, LogitsAreClose) {
  const StepShape& s = kSmall;
  std::vector<PackedWeight> packed;
  packed.reserve(100);
  const StepWeights weights = make_step_weights(gpu(), s, [&](int rows, int inner, PackedWeight::Rows order) {
    if (cuda::row_of(GetParam()).coded) {
      const DrawWhole whole = [&](int64_t low, int64_t high, at::IntArrayRef of) {
        return at::randint(low, high, of, on(at::kFloat));
      };
      packed.push_back(PackedWeight::drawn(GetParam(), {rows, inner}, 64, order, whole));
    } else {
      packed.emplace_back(at::randn({rows, inner}, on(at::kFloat)) * 0.05, GetParam(), order);
    }
    return packed.back().parameters();
  });
  const int length = 200;
  TokenStep step(gpu(), weights, {.batch = 2, .capacity = 256, .tokens = 3});
  step.reset(length);
  const at::Tensor keys = step.keys().clone();
  const at::Tensor values = step.values().clone();
  const RotaryTable table{step.cosines()[0].slice(0, length, length + 1), step.sines()[0].slice(0, length, length + 1)};
  run(gpu(), step.calls());

  const auto product = [](const PackedWeight& w, const at::Tensor& x) { return at::matmul(x, w.dense().t()); };
  at::Tensor residual = weights.embedding.slice(0, 0, 1);  // the first row's token is 0
  at::Tensor x = rms_norm(residual, weights.layers[0].norms[0], 1e-5);
  for (int64_t i = 0; i < s.layers; ++i) {
    const StepLayer& l = weights.layers[static_cast<size_t>(i)];
    const PackedWeight* w = &packed[static_cast<size_t>(4 * i)];
    const at::Tensor heads = (product(w[0], x) + l.bias).unflatten(1, {-1, cuda::kHeadDim});
    const at::Tensor turned = rotate(heads.slice(1, 0, s.heads + s.kv_heads), table);
    const auto cache = [&](const at::Tensor& before, const at::Tensor& own) {  // [length + 1, 128]
      return at::cat({before[i][0][0].slice(0, 0, length), own});
    };
    const at::Tensor k = cache(keys, turned[0].slice(0, s.heads));
    const at::Tensor v = cache(values, heads[0].slice(0, s.heads + 1));
    const at::Tensor scores =
        at::matmul(turned[0].slice(0, 0, s.heads).to(at::kFloat), k.t().to(at::kFloat)) / std::sqrt(128.0);
    const at::Tensor out = at::matmul(scores.softmax(-1), v.to(at::kFloat)).to(at::kBFloat16).view({1, -1});
    residual = residual + rms_norm(product(w[1], out), l.norms[1], 1e-5);
    const at::Tensor gate_up = product(w[2], rms_norm(residual, l.norms[2], 1e-5));
    const at::Tensor activated = gate_up.slice(1, s.inner) * at::silu(gate_up.slice(1, 0, s.inner));
    residual = residual + rms_norm(product(w[3], activated), l.norms[3], 1e-5);
    x = rms_norm(residual, i + 1 < s.layers ? weights.layers[static_cast<size_t>(i + 1)].norms[0] : weights.last_norm,
                 1e-5);
  }
  const at::Tensor expected = product(packed.back(), x)[0];
  EXPECT_GE(cosine(step.logits().sum(0)[0], expected), tolerance::kBf16Cosine);
}

}  // namespace
}  // namespace glm
