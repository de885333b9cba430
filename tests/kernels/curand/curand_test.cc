// Our Philox against cuRAND's device functions, compiled for the CPU.
#define QUALIFIERS static inline  // what cuRAND puts before each function
#include <curand_kernel.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/philox.h"

namespace glm {
namespace {

struct Place {
  uint64_t seed, subsequence, offset;
};

curandStatePhilox4_32_10_t state_at(const Place& place) {
  curandStatePhilox4_32_10_t state;
  curand_init(static_cast<unsigned long long>(place.seed), static_cast<unsigned long long>(place.subsequence),
              static_cast<unsigned long long>(place.offset), &state);
  return state;
}

philox::Words words_at(const Place& place, uint64_t turn = 0) {
  return philox::words(place.seed, place.subsequence, place.offset / 4 + turn);
}

// Small ones, ones around 2^32 of each, and any.
std::vector<Place> places() {
  std::vector<Place> all;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{42}, (uint64_t{1} << 32) + 7, ~uint64_t{0} >> 1, ~uint64_t{0}}) {
    for (const uint64_t subsequence :
         {uint64_t{0}, uint64_t{1}, uint64_t{270'335}, uint64_t{0xffffffff}, (uint64_t{1} << 32) + 5}) {
      for (const uint64_t block : {uint64_t{0}, uint64_t{1}, uint64_t{0xfffffffe}, (uint64_t{1} << 32) + 3}) {
        all.push_back({seed, subsequence, 4 * block});
      }
    }
  }
  std::mt19937_64 any(1);
  for (int i = 0; i < 100'000; ++i) all.push_back({any(), any(), any() & ~uint64_t{3}});
  return all;
}

TEST(Curand, WordsAreEqual) {
  for (const Place& place : places()) {
    auto state = state_at(place);
    for (uint64_t turn = 0; turn < 3; ++turn) {
      const uint4 theirs = curand4(&state);
      const philox::Words ours = words_at(place, turn);
      ASSERT_TRUE(ours.lane[0] == theirs.x && ours.lane[1] == theirs.y && ours.lane[2] == theirs.z &&
                  ours.lane[3] == theirs.w)
          << place.seed << " " << place.subsequence << " " << place.offset << " " << turn;
    }
  }
}

TEST(Curand, UniformsAreEqual) {
  for (const Place& place : places()) {
    auto state = state_at(place);
    const float4 theirs = curand_uniform4(&state);
    const philox::Words ours = words_at(place);
    ASSERT_EQ(philox::uniform(ours.lane[0]), theirs.x);
    ASSERT_EQ(philox::uniform(ours.lane[1]), theirs.y);
    ASSERT_EQ(philox::uniform(ours.lane[2]), theirs.z);
    ASSERT_EQ(philox::uniform(ours.lane[3]), theirs.w);
  }
}

// Compiled for the CPU theirs doesn't fuse the angle (off by up to 2^-21) and takes fp32 functions.
TEST(Curand, NormalsAreClose) {
  for (const Place& place : places()) {
    auto state = state_at(place);
    const float4 theirs = curand_normal4(&state);
    const philox::Words ours = words_at(place);
    const std::array<float, 4> expected = {theirs.x, theirs.y, theirs.z, theirs.w};
    for (int lane = 0; lane < 4; ++lane) {
      const double radius = std::sqrt(-2 * std::log(philox::uniform(ours.lane[lane & 2])));
      ASSERT_NEAR(philox::normal(ours, lane), expected[lane], radius * 0x1p-20) << lane;
    }
  }
}

TEST(Curand, TheAnglesFactorIsTheirs) {
  EXPECT_EQ(philox::angle(0), CURAND_2POW32_INV_2PI / 2);
  EXPECT_EQ(philox::angle(1), CURAND_2POW32_INV_2PI * 1.5f);
  EXPECT_EQ(philox::angle(1u << 31), std::fma(0x1p31f, CURAND_2POW32_INV_2PI, CURAND_2POW32_INV_2PI / 2));
}

}  // namespace
}  // namespace glm
