// Products and convolutions in bf16 that a CPU computes in fp32.
#include "kernels/wide.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "tests/support/compare.h"

namespace glm {
namespace {

at::Tensor narrow_random(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16);
}

TEST(WideLinear, IsRoundedOnce) {
  for (const auto& [rows, in, out] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {1, 5, 3}, {63, 40, 7}, {64, 40, 1}, {65, 333, 1025}, {200, 16, 2100}}) {
    const at::Tensor x = narrow_random({rows, in});
    const at::Tensor weight = narrow_random({out, in});
    const at::Tensor bias = narrow_random({out});
    const at::Tensor exact = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
    const at::Tensor product = linear_layer(x, weight, {});
    EXPECT_EQ(product.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(equal_as_bf16(product, exact.to(at::kBFloat16))) << rows << " " << out;
    const at::Tensor biased = (exact + bias.to(at::kDouble)).to(at::kBFloat16);
    EXPECT_TRUE(equal_as_bf16(linear_layer(x, weight, bias), biased)) << rows << " " << out;
  }
}

TEST(WideLinear, KeepsTheShape) {
  const at::Tensor weight = narrow_random({6, 8});
  const at::Tensor x = narrow_random({2, 50, 3, 8});
  EXPECT_EQ(linear_layer(x, weight, {}).sizes(), (std::vector<int64_t>{2, 50, 3, 6}));
  const at::Tensor turned = x.transpose(1, 2);
  EXPECT_TRUE(at::equal(linear_layer(turned, weight, {}), linear_layer(turned.contiguous(), weight, {})));
  EXPECT_EQ(linear_layer(at::empty({0, 8}, at::kBFloat16), weight, {}).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST(WideConvolution, IsRoundedOnceInEveryBand) {
  // The tall one has rows of 64 KB in fp32, and so several bands.
  for (const auto& [pictures, in, out, kernel, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>>{{1, 3, 8, 3, 8, 8},
                                                                                     {2, 8, 3, 5, 9, 11},
                                                                                     {1, 16, 4, 1, 70, 3},
                                                                                     {1, 32, 2, 3, 300, 512},
                                                                                     {1, 4, 4, 3, 1, 80}}) {
    const at::Tensor x = narrow_random({pictures, in, height, width});
    const at::Tensor weight = narrow_random({out, in, kernel, kernel});
    const at::Tensor bias = narrow_random({out});
    const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
    const at::Tensor exact = at::conv2d(wide(x), wide(weight), wide(bias), 1, kernel / 2);
    EXPECT_TRUE(equal_as_bf16(convolve(x, weight, bias), exact.to(at::kBFloat16))) << height;
    const at::Tensor single = convolve(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat));
    EXPECT_TRUE(near(single, exact.to(at::kFloat), exact.abs().max().item<double>(), tolerance::kStage)) << height;
  }
}

}  // namespace
}  // namespace glm
