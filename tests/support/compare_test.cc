#include "tests/support/compare.h"

#include <ATen/ATen.h>

#include <limits>

namespace glm {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

at::Tensor floats(std::vector<double> values) {
  return at::tensor(values, at::kFloat);
}

TEST(Comparator, TakesEqualAndCloseNumbers) {
  EXPECT_TRUE(near(floats({1, -2, 3}), floats({1, -2, 3}), 3, tolerance::kExact));
  EXPECT_TRUE(near(floats({1.00001, -2}), floats({1, -2}), 2, tolerance::kStage));
}

TEST(Comparator, RefusesOneElementTooFarAndNamesIt) {
  const auto result = near(floats({1, 2, 3.001}), floats({1, 2, 3}), 3, tolerance::kStage);
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("element 2 of 3"), std::string::npos) << result.message();
}

TEST(Comparator, ExactMeansExact) {
  EXPECT_FALSE(near(floats({1.0000001}), floats({1}), 1, tolerance::kExact));
}

TEST(Comparator, RefusesOtherShapesAndTypes) {
  EXPECT_FALSE(near(floats({1, 2}), floats({1, 2}).view({1, 2}), 2, tolerance::kChained));
  EXPECT_FALSE(near(floats({1, 2}).to(at::kDouble), floats({1, 2}), 2, tolerance::kChained));
}

TEST(Comparator, NanAndInfinityMustStandInTheSamePlaces) {
  EXPECT_TRUE(near(floats({1, kNan, -kInf}), floats({1, kNan, -kInf}), 1, tolerance::kExact));
  EXPECT_FALSE(near(floats({kNan}), floats({1}), 1, tolerance::kChained));
  EXPECT_FALSE(near(floats({1}), floats({kNan}), 1, tolerance::kChained));
  EXPECT_FALSE(near(floats({kInf}), floats({-kInf}), 1, tolerance::kChained));
  EXPECT_FALSE(near(floats({kInf}), floats({1}), 1, tolerance::kChained));
  EXPECT_FALSE(near(floats({1}), floats({-kInf}), 1, tolerance::kChained));
}

TEST(Comparator, ComparingNothingFails) {
  EXPECT_FALSE(near(floats({}), floats({}), 1, tolerance::kChained));
  EXPECT_FALSE(near(floats({1}), floats({1}), kInf, tolerance::kChained));
}

TEST(Comparator, CosineSeesDirection) {
  EXPECT_DOUBLE_EQ(cosine(floats({1, 2}), floats({2, 4})), 1.0);
  EXPECT_DOUBLE_EQ(cosine(floats({1, 0}), floats({0, 1})), 0.0);
  EXPECT_FALSE(cosine(floats({1, kNan}), floats({1, 2})) >= tolerance::kBf16Cosine);
  EXPECT_FALSE(cosine(floats({0, 0}), floats({1, 2})) >= tolerance::kBf16Cosine);
}

TEST(Comparator, PsnrOfPictures) {
  const at::Tensor black = at::zeros({2, 2}, at::kByte);
  EXPECT_EQ(psnr(black, black), kInf);
  EXPECT_NEAR(psnr(black, at::full({2, 2}, 255, at::kByte)), 0.0, 1e-9);
  EXPECT_LT(psnr(black, at::full({2, 2}, 4, at::kByte)), tolerance::kBf16Psnr);
  EXPECT_GT(psnr(black, at::full({2, 2}, 2, at::kByte)), tolerance::kBf16Psnr);
}

TEST(Comparator, RoundedBf16MayDifferRarelyAndByAStep) {
  const at::Tensor expected = at::linspace(-1, 1, 1000).to(at::kBFloat16);
  const at::Tensor actual = expected.clone();
  EXPECT_TRUE(equal_as_bf16(actual, expected));
  actual.slice(0, 0, 10).add_(0x1p-7);
  EXPECT_TRUE(equal_as_bf16(actual, expected));
  actual.slice(0, 0, 12).add_(0x1p-7);
  EXPECT_FALSE(equal_as_bf16(actual, expected)) << "two steps";
  actual.copy_(expected).slice(0, 0, 12).add_(0x1p-7);
  EXPECT_FALSE(equal_as_bf16(actual, expected)) << "12 of 1000";
  EXPECT_FALSE(equal_as_bf16(expected.to(at::kFloat), expected));
}

TEST(Tolerances, AreTheOnesThatWerePromised) {
  EXPECT_EQ(tolerance::kStage.of_largest, 1e-5);
  EXPECT_EQ(tolerance::kChained.of_largest, 2e-4);
  EXPECT_EQ(tolerance::kPictureLevels, 1);
  EXPECT_EQ(tolerance::kBf16Cosine, 0.9995);
  EXPECT_EQ(tolerance::kBf16Psnr, 40.0);
  EXPECT_EQ(tolerance::kBf16Step.of_largest, 0x1p-7);
  EXPECT_EQ(tolerance::kRoundedOtherwise, 0.01);
  EXPECT_EQ(tolerance::kTensorCoreSum.of_largest, 3e-5);
}

}  // namespace
}  // namespace glm
