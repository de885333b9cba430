// kernels/cuda/norm.cuh, run on the host.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/rms_norm.h"
#include "tests/kernels/device_memory.h"
#include "tests/kernels/step_host.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

constexpr float kEps = 1e-5f;

struct Tensors {
  at::Tensor y, post_weight, tokens, embedding, residual, pre_weight, x;
};

at::Tensor random_bf16(at::IntArrayRef shape) {
  return device_copy(at::randn(shape).to(at::kBFloat16));
}

Tensors make(int64_t batch, int64_t dim, int64_t splits, double largest) {
  return {device_copy(at::randn({splits, batch, dim}) * largest),
          random_bf16({dim}),
          {},
          {},
          random_bf16({batch, dim}),
          random_bf16({dim}),
          device_empty({batch, dim + 24}, at::kBFloat16)};
}

void run(const Tensors& t, uint64_t order) {
  cuda::NormParams p{};
  if (t.tokens.defined()) {
    p.tokens = data_of<int>(t.tokens);
    p.embedding = bf16_of(t.embedding);
  } else {
    p.y = data_of<float>(t.y);
    p.splits = static_cast<int>(t.y.size(0));
    p.post_weight = bf16_of(t.post_weight);
  }
  p.residual = bf16_of(t.residual);
  p.before = p.residual;
  p.pre_weight = bf16_of(t.pre_weight);
  p.x = bf16_of(t.x);
  p.x_stride = static_cast<int>(t.x.size(1));
  p.batch = static_cast<int>(t.residual.size(0));
  p.dim = static_cast<int>(t.residual.size(1));
  p.eps = kEps;
  run_step({{.kernel = cuda::Kernel::norm, .norm = p}}, {.blocks = p.batch < 5 ? 2 : 16, .order = order});
}

// x, and nothing behind its rows.
testing::AssertionResult is_normed(const Tensors& t, const at::Tensor& residual) {
  const int64_t dim = t.residual.size(1);
  if (!at::isnan(t.x.slice(1, dim)).all().item<bool>()) return testing::AssertionFailure() << "written behind the row";
  return equal_as_bf16(t.x.slice(1, 0, dim), rms_norm(residual, t.pre_weight, kEps));
}

// PriorLayer::forward: a = x + post(y); x = pre(a).
TEST(NormBody, AddsTheNormedSumAndNormsTheResult) {
  for (const int64_t dim : {32, 192, 516, 2052, 4096}) {
    for (const int64_t splits : {1, 4}) {
      for (const int64_t batch : {1, 3, 16}) {
        for (const double largest : {1.0, 1e-4}) {  // the second shows the epsilon
          SCOPED_TRACE(testing::Message() << dim << ", splits " << splits << ", batch " << batch << ", " << largest);
          const Tensors t = make(batch, dim, splits, largest);
          at::Tensor sum = at::zeros_like(t.y[0]);
          for (int64_t i = 0; i < splits; ++i) sum += t.y[i];
          const at::Tensor expected = t.residual + rms_norm(sum.to(at::kBFloat16), t.post_weight, kEps);
          run(t, static_cast<uint64_t>(batch - 1));
          ASSERT_TRUE(equal_as_bf16(t.residual, expected));
          ASSERT_TRUE(is_normed(t, t.residual));
        }
      }
    }
  }
}

TEST(NormBody, BeginsATokenWithItsEmbedding) {
  for (const int64_t dim : {32, 192, 4096}) {
    for (const int64_t batch : {1, 5}) {
      Tensors t = make(batch, dim, 1, 1);
      t.embedding = random_bf16({40, dim});
      t.tokens = device_copy(at::randint(0, 40, {batch}, at::kInt));
      t.residual.fill_(NAN);
      run(t, static_cast<uint64_t>(batch));
      ASSERT_TRUE(at::equal(t.residual, at::embedding(t.embedding, t.tokens)));
      ASSERT_TRUE(is_normed(t, t.residual));
    }
  }
}

TEST(NormBody, ARowHasTheSameBitsWhateverSharesItsBatch) {
  const Tensors all = make(7, 192, 2, 1);
  Tensors one = all;
  one.y = device_copy(all.y.slice(1, 5, 6));
  one.residual = device_copy(all.residual.slice(0, 5, 6));
  one.x = device_empty({1, 200}, at::kBFloat16);
  run(all, 3);
  run(one, 0);
  EXPECT_TRUE(at::equal(one.residual[0], all.residual[5]));
  EXPECT_TRUE(at::equal(one.x[0].slice(0, 0, 192), all.x[5].slice(0, 0, 192)));
}

}  // namespace
}  // namespace glm
