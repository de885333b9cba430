#include "kernels/rms_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/compare.h"

namespace glm {
namespace {

TEST(RmsNorm, IsTheFormula) {
  const at::Tensor y = rms_norm(at::tensor({3.0, 4.0}, at::kFloat), at::tensor({2.0, 0.5}, at::kFloat), 0.5);
  const double scale = 1 / std::sqrt(12.5 + 0.5);
  EXPECT_TRUE(near(y, at::tensor({6 * scale, 2 * scale}, at::kFloat), 2, tolerance::kStage));
}

// Upstream rounds to the input's type before the weight is applied.
TEST(RmsNorm, RoundsBeforeTheWeight) {
  const at::Tensor x = at::tensor({1.0, 0.7, -0.3}, at::kFloat).to(at::kBFloat16);
  const at::Tensor weight = at::tensor({1.01, 1.7, 0.9}, at::kFloat).to(at::kBFloat16);
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor rounded = (wide / (wide.pow(2).mean() + 1e-5).sqrt()).to(at::kBFloat16);
  const at::Tensor y = rms_norm(x, weight, 1e-5);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(y, weight * rounded));
}

TEST(RmsNorm, TakesOneRowAndAnyView) {
  const at::Tensor x = at::arange(24, at::kFloat).view({4, 6}).t();  // not contiguous
  const at::Tensor weight = at::ones({4});
  EXPECT_TRUE(near(rms_norm(x, weight, 1e-6), rms_norm(x.contiguous(), weight, 1e-6), 2, tolerance::kStage));
  EXPECT_EQ(rms_norm(at::zeros({0, 4}), weight, 1e-6).numel(), 0);
}

}  // namespace
}  // namespace glm
