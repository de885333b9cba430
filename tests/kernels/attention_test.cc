#include "kernels/attention.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/compare.h"

namespace glm {
namespace {

// The formula, a query and a head at a time.
at::Tensor literal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& o) {
  const int64_t share = q.size(2) / k.size(2);
  at::Tensor out = at::zeros({q.size(0), q.size(1), q.size(2), v.size(3)}, at::kDouble);
  for (int64_t b = 0; b < q.size(0); ++b) {
    for (int64_t h = 0; h < q.size(2); ++h) {
      for (int64_t i = 0; i < q.size(1); ++i) {
        const int64_t seen = o.causal ? i + 1 : k.size(1);
        at::Tensor scores =
            k[b].select(1, h / share).slice(0, 0, seen).to(at::kDouble).matmul(q[b][i][h].to(at::kDouble)) * o.scale;
        if (o.bias) scores += (*o.bias)[o.bias->size(0) == 1 ? 0 : b][h][i].to(at::kDouble);
        out[b][i][h] = scores.softmax(0).matmul(v[b].select(1, h / share).slice(0, 0, seen).to(at::kDouble));
      }
    }
  }
  return out.flatten(2).to(q.scalar_type());
}

struct Shape {
  int64_t batch, queries, keys, heads, kv_heads, head;
};

at::Tensor random(at::Generator& generator, at::IntArrayRef shape) {
  return at::randn(shape, generator, at::TensorOptions(at::kFloat));
}

TEST(Attention, IsTheFormulaForUglyShapes) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  for (const Shape& s : {Shape{1, 1, 1, 1, 1, 8}, Shape{2, 5, 5, 3, 1, 16}, Shape{1, 1, 37, 6, 2, 24},
                         Shape{1, 7, 3, 5, 5, 40}, Shape{1, 33, 33, 32, 2, 128}}) {
    const at::Tensor q = random(generator, {s.batch, s.queries, s.heads, s.head});
    const at::Tensor k = random(generator, {s.batch, s.keys, s.kv_heads, s.head});
    const at::Tensor v = random(generator, {s.batch, s.keys, s.kv_heads, s.head});
    for (const bool causal : {false, true}) {
      if (causal && s.queries != s.keys) continue;
      const AttentionOptions options{.scale = 0.3, .causal = causal, .bias = {}};
      EXPECT_TRUE(near(attention(q, k, v, options), literal(q, k, v, options), 4, tolerance::kStage))
          << s.heads << " heads, causal " << causal;
    }
  }
}

TEST(Attention, BiasIsAddedAndHides) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(2);
  const at::Tensor q = random(generator, {2, 4, 3, 8});
  const at::Tensor k = random(generator, {2, 4, 3, 8});
  const at::Tensor v = random(generator, {2, 4, 3, 8});
  at::Tensor bias = random(generator, {2, 3, 4, 4});
  bias.slice(-1, 3).fill_(std::numeric_limits<float>::lowest());
  const AttentionOptions options{.scale = 1, .causal = false, .bias = bias};
  EXPECT_TRUE(near(attention(q, k, v, options), literal(q, k, v, options), 4, tolerance::kStage));
  at::Tensor other = v.clone();
  other.slice(1, 3).fill_(1000);
  EXPECT_TRUE(near(attention(q, k, other, options), attention(q, k, v, options), 4, tolerance::kStage))
      << "the last key is hidden";
}

}  // namespace
}  // namespace glm
