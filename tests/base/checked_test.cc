#include "base/checked.h"

#include <gtest/gtest.h>

namespace glm {
namespace {

constexpr uint64_t kMost = UINT64_MAX;

TEST(CheckedAdd, SaysWhenTheSumDoesNotFit) {
  uint64_t sum = 0;
  EXPECT_TRUE(checked_add(kMost - 1, 1, &sum));
  EXPECT_EQ(sum, kMost);
  EXPECT_TRUE(checked_add(0, kMost, &sum));
  EXPECT_EQ(sum, kMost);
  EXPECT_FALSE(checked_add(kMost, 1, &sum));
  EXPECT_FALSE(checked_add(kMost, kMost, &sum));
  int64_t with_sign = 0;
  EXPECT_TRUE(checked_add(int64_t{-5}, INT64_MAX, &with_sign));
  EXPECT_EQ(with_sign, INT64_MAX - 5);
  EXPECT_FALSE(checked_add(int64_t{1}, INT64_MAX, &with_sign));
}

TEST(CheckedMultiply, SaysWhenTheProductDoesNotFit) {
  const uint64_t half = uint64_t{1} << 32U;
  uint64_t product = 0;
  EXPECT_TRUE(checked_multiply(half, half - 1, &product));
  EXPECT_EQ(product, kMost - half + 1);
  EXPECT_TRUE(checked_multiply(kMost, 0, &product));
  EXPECT_EQ(product, 0U);
  EXPECT_TRUE(checked_multiply(1, kMost, &product));
  EXPECT_EQ(product, kMost);
  EXPECT_FALSE(checked_multiply(half, half, &product)) << "2^64 would be 0";
  EXPECT_FALSE(checked_multiply(kMost, 2, &product));
}

}  // namespace
}  // namespace glm
