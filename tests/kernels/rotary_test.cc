#include "kernels/rotary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/compare.h"

namespace glm {
namespace {

RotaryTable quarter_turn(int64_t length, int64_t rotary) {
  return {at::zeros({length, rotary}), at::ones({length, rotary})};
}

TEST(Rotary, TurnsPairsThatAreHalfTheWidthApart) {
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0}, at::kFloat).view({1, 1, 4});  // pairs (1, 3) and (2, 4)
  EXPECT_TRUE(at::equal(rotate(x, quarter_turn(1, 4)).flatten(), at::tensor({-3.0, -4.0, 1.0, 2.0}, at::kFloat)));
}

TEST(Rotary, LeavesTheFeaturesBeyondTheTableAlone) {
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, at::kFloat).view({1, 1, 6});
  EXPECT_TRUE(
      at::equal(rotate(x, quarter_turn(1, 4)).flatten(), at::tensor({-3.0, -4.0, 1.0, 2.0, 5.0, 6.0}, at::kFloat)));
}

TEST(Rotary, EachPositionHasItsOwnAngleAndEveryHeadTheSame) {
  const at::Tensor angles = at::tensor({0.0, 0.5, 1.0}, at::kFloat).view({3, 1}).expand({3, 2});
  const at::Tensor y = rotate(at::ones({2, 3, 5, 2}), {angles.cos(), angles.sin()});  // [B, L, heads, head]
  for (int64_t position = 0; position < 3; ++position) {
    const double angle = 0.5 * static_cast<double>(position);
    const at::Tensor expected =
        at::tensor({std::cos(angle) - std::sin(angle), std::cos(angle) + std::sin(angle)}, at::kFloat)
            .expand({2, 5, 2});
    EXPECT_TRUE(near(y.select(1, position), expected.contiguous(), 2, tolerance::kStage));
  }
}

// A table in fp32 means fp32 arithmetic with one rounding at the end; a bf16 table rounds at each operation.
TEST(Rotary, TheTablesTypeIsTheArithmetics) {
  const at::Tensor x = at::tensor({1.3, -0.7}, at::kFloat).to(at::kBFloat16).view({1, 1, 2});
  const at::Tensor angle = at::tensor({0.3, 0.3}, at::kFloat).view({1, 2});
  const at::Tensor wide = rotate(x.to(at::kFloat), {angle.cos(), angle.sin()}).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(rotate(x, {angle.cos(), angle.sin()}), wide));
  const at::Tensor cos = angle.cos().to(at::kBFloat16);
  const at::Tensor sin = angle.sin().to(at::kBFloat16);
  const at::Tensor narrow = x.view({1, 2}) * cos + at::stack({-x[0][0][1], x[0][0][0]}).view({1, 2}) * sin;
  EXPECT_TRUE(at::equal(rotate(x, {cos, sin}).view({1, 2}), narrow));
}

TEST(Rotary, RowsAreAView) {
  const RotaryTable table{at::arange(6, at::kFloat).view({3, 2}), at::zeros({3, 2})};
  EXPECT_TRUE(at::equal(table.rows(1, 3).cos, at::arange(2, 6, at::kFloat).view({2, 2})));
}

}  // namespace
}  // namespace glm
