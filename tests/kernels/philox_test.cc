// Random words and what is made of them. tests/kernels/curand compares with NVIDIA's own code where that is installed.
#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace glm {
namespace {

using philox::Words;

std::array<uint32_t, 4> array_of(const Words& w) {
  return {w.lane[0], w.lane[1], w.lane[2], w.lane[3]};
}

// kat_vectors of Random123, the authors' library.
TEST(Philox, WordsAreTheAuthors) {
  using Lanes = std::array<uint32_t, 4>;
  EXPECT_EQ(array_of(philox::words(0, 0, 0)), (Lanes{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(array_of(philox::words(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0})),
            (Lanes{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(array_of(philox::words(0x299f31d0'a4093822, 0x03707344'13198a2e, 0x85a308d3'243f6a88)),
            (Lanes{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsKnownToTheCompiler) {
  static_assert(philox::words(0, 0, 0).lane[0] == 0x6627e8d5);
  static_assert(philox::uniform(0) == 0x1p-33f);
  static_assert(philox::uniform(0xffffffff) == 1.0f);
}

TEST(Philox, UniformsAreWithinZeroAndOne) {
  EXPECT_EQ(philox::uniform(0xffffff00), 1 - 0x1p-24f);
  EXPECT_EQ(philox::uniform(0xffffff80), 1.0f);
  EXPECT_EQ(philox::uniform(0x80000000), 0.5f);
  EXPECT_EQ(philox::angle(0xffffffff), 6.2831855f);
  EXPECT_GT(philox::angle(0), 0.0f);
}

// Word by word over the range, not only where both roundings agree.
TEST(Philox, AnglesAreOneFusedProduct) {
  const float factor = 2.3283064e-10f * 6.2831855f;
  for (uint64_t word = 0; word <= 0xffffffff; word += 9973) {
    const auto w = static_cast<uint32_t>(word);
    ASSERT_EQ(philox::angle(w), std::fma(static_cast<float>(w), factor, factor / 2)) << w;
  }
}

TEST(Philox, OfEachPairTheSineIsFirst) {
  const Words w{{0x20000000, 0x10000000, 0x80000000, 0x60000000}};  // turns of 1/16 and 3/8
  for (const int first : {0, 2}) {
    const double radius = std::sqrt(-2 * std::log(philox::uniform(w.lane[first])));
    EXPECT_FLOAT_EQ(philox::normal(w, first), static_cast<float>(radius * std::sin(philox::angle(w.lane[first + 1]))));
    EXPECT_FLOAT_EQ(philox::normal(w, first + 1),
                    static_cast<float>(radius * std::cos(philox::angle(w.lane[first + 1]))));
  }
  EXPECT_GT(philox::normal(w, 2), 0);
  EXPECT_LT(philox::normal(w, 3), 0);
}

TEST(Philox, ZeroHasNoSign) {
  for (const uint32_t angle : {0x40000000u, 0xa0000000u, 0xffffffffu}) {
    const Words w{{0xffffffff, angle, 0xffffffff, angle}};
    for (int lane = 0; lane < 4; ++lane) {
      EXPECT_EQ(philox::normal(w, lane), 0.0f);
      EXPECT_FALSE(std::signbit(philox::normal(w, lane)));
    }
  }
}

TEST(Philox, NormalsEndWhereTheUniformsDo) {
  const Words w{{0, 0x40000000, 0, 0xc0000000}};  // radius sqrt(66 ln 2), a quarter and three quarters of a turn
  EXPECT_FLOAT_EQ(philox::normal(w, 0), 6.7637056f);
  EXPECT_FLOAT_EQ(philox::normal(w, 2), -6.7637056f);
}

TEST(Philox, ExponentialsAreNeverZero) {
  const Words w{{0, 0xfffffe00, 0xffffff00, 0xffffffff}};
  EXPECT_FLOAT_EQ(philox::exponential(w, 0), 22.873857f);  // 33 ln 2
  EXPECT_FLOAT_EQ(philox::exponential(w, 1), 0x1p-23f);
  EXPECT_EQ(philox::exponential(w, 2), 0x1p-24f);
  EXPECT_EQ(philox::exponential(w, 3), 0x1p-24f);
}

}  // namespace
}  // namespace glm
