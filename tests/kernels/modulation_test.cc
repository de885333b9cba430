#include "kernels/modulation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/compare.h"

namespace glm {
namespace {

const std::vector<RowGroup>& groups() {
  static const std::vector<RowGroup> all = {{0, 2, 1}, {2, 5, 0}, {5, 6, 1}};
  return all;
}

TEST(Modulation, EachGroupTakesItsRowOfTheTables) {
  const at::Tensor x = at::arange(24, at::kFloat).view({6, 4}).sin();
  const at::Tensor scale = at::arange(8, at::kFloat).view({2, 4});
  const at::Tensor shift = at::arange(8, at::kFloat).view({2, 4}) * 10;
  const at::Tensor y = norm_modulate(x, groups(), scale, shift, 1e-5);
  for (const RowGroup& group : groups()) {
    for (int64_t r = group.begin; r < group.end; ++r) {
      const at::Tensor normed = (x[r] - x[r].mean()) / (x[r].var(/*unbiased=*/false) + 1e-5).sqrt();
      EXPECT_TRUE(near(y[r], normed * (1 + scale[group.modulation]) + shift[group.modulation], 70, tolerance::kStage))
          << "row " << r;
    }
  }
}

TEST(Modulation, GatesTheResidualByGroup) {
  const at::Tensor x = at::ones({6, 2});
  const at::Tensor y = at::full({6, 2}, 3.0);
  const at::Tensor gate = at::tensor({2.0, 5.0}, at::kFloat).view({2, 1}).expand({2, 2});
  const at::Tensor expected = at::tensor({16.0, 16.0, 7.0, 7.0, 7.0, 16.0}, at::kFloat).view({6, 1}).expand({6, 2});
  EXPECT_TRUE(at::equal(add_gated(x, y, groups(), gate), expected));
  EXPECT_TRUE(at::equal(x, at::ones({6, 2}))) << "the input is left as it was";
}

TEST(Modulation, NormalisesInTheInputsType) {
  const at::Tensor x = at::arange(12, at::kFloat).view({3, 4}).cos().to(at::kBFloat16);
  const at::Tensor zero = at::zeros({1, 4}, at::kBFloat16);
  const at::Tensor y = norm_modulate(x, {{0, 3, 0}}, zero, zero, 1e-5);
  EXPECT_TRUE(at::equal(y, at::layer_norm(x, {4}, {}, {}, 1e-5)));
}

}  // namespace
}  // namespace glm
