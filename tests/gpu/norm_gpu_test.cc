// Norms on the card, against ATen.
#include <ATen/ATen.h>

#include "kernels/rms_norm.h"
#include "tests/gpu/gpu_test.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

constexpr float kEps = 1e-5f;

class NormOnGpu : public GpuTest {
 protected:
  cuda::Call call_of(const at::Tensor& residual, const at::Tensor& pre, const at::Tensor& x) const {
    cuda::Call call{};
    call.kernel = cuda::Kernel::norm;
    call.norm = {};
    call.norm.residual = bf16_of(residual);
    call.norm.before = call.norm.residual;
    call.norm.pre_weight = bf16_of(pre);
    call.norm.x = bf16_of(x);
    call.norm.x_stride = static_cast<int>(x.size(1));
    call.norm.batch = static_cast<int>(residual.size(0));
    call.norm.dim = static_cast<int>(residual.size(1));
    call.norm.eps = kEps;
    return call;
  }
};

TEST_F(NormOnGpu, AddsTheNormedSumAndNormsTheResult) {
  for (const int64_t dim : {32, 192, 516, 2052, 4096}) {
    for (const int64_t splits : {1, 2, 4, 8}) {
      for (const int64_t batch : {1, 3, 16}) {
        for (const double largest : {1.0, 1e-4}) {  // the second shows the epsilon
          SCOPED_TRACE(testing::Message() << dim << ", splits " << splits << ", batch " << batch << ", " << largest);
          const at::Tensor y = at::randn({splits, batch, dim}, on(at::kFloat)) * largest;
          const at::Tensor residual = random_bf16({batch, dim});
          const at::Tensor post = random_bf16({dim});
          const at::Tensor pre = random_bf16({dim});
          const at::Tensor x = poisoned(gpu(), {batch, dim + 24}, at::kBFloat16);
          at::Tensor sum = at::zeros_like(y[0]);
          for (int64_t i = 0; i < splits; ++i) sum += y[i];
          const at::Tensor expected = residual + rms_norm(sum.to(at::kBFloat16), post, kEps);
          cuda::Call call = call_of(residual, pre, x);
          call.norm.y = data_of<float>(y);
          call.norm.splits = static_cast<int>(splits);
          call.norm.post_weight = bf16_of(post);
          run(gpu(), {call});
          ASSERT_TRUE(equal_as_bf16(residual, expected));
          ASSERT_TRUE(at::isnan(x.slice(1, dim)).all().item<bool>()) << "written behind the row";
          ASSERT_TRUE(equal_as_bf16(x.slice(1, 0, dim), rms_norm(residual, pre, kEps)));
        }
      }
    }
  }
}

TEST_F(NormOnGpu, BeginsATokenWithItsEmbedding) {
  for (const int64_t dim : {32, 192, 4096}) {
    for (const int64_t batch : {1, 5, 16}) {
      SCOPED_TRACE(testing::Message() << dim << ", batch " << batch);
      const at::Tensor embedding = random_bf16({100, dim});
      const at::Tensor tokens = at::randint(0, 100, {batch}, on(at::kInt));
      const at::Tensor residual = poisoned(gpu(), {batch, dim}, at::kBFloat16);
      const at::Tensor pre = random_bf16({dim});
      const at::Tensor x = poisoned(gpu(), {batch, dim}, at::kBFloat16);
      cuda::Call call = call_of(residual, pre, x);
      call.norm.tokens = data_of<int>(tokens);
      call.norm.embedding = bf16_of(embedding);
      run(gpu(), {call});
      ASSERT_TRUE(at::equal(residual, embedding.index_select(0, tokens)));
      ASSERT_TRUE(equal_as_bf16(x, rms_norm(residual, pre, kEps)));
    }
  }
}

TEST_F(NormOnGpu, HasTheSameBitsEveryTime) {
  const at::Tensor y = at::randn({2, 16, 4096}, on(at::kFloat));
  const at::Tensor before = random_bf16({16, 4096});
  const at::Tensor weight = random_bf16({4096});
  at::Tensor first;
  for (int i = 0; i < 50; ++i) {
    const at::Tensor residual = before.clone();
    const at::Tensor x = poisoned(gpu(), {16, 4096}, at::kBFloat16);
    cuda::Call call = call_of(residual, weight, x);
    call.norm.y = data_of<float>(y);
    call.norm.splits = 2;
    call.norm.post_weight = bf16_of(weight);
    run(gpu(), {call});
    const at::Tensor both = at::cat({residual, x});
    if (i == 0) first = both;
    ASSERT_TRUE(same_bits(both, first)) << "run " << i;
  }
}

}  // namespace
}  // namespace glm
