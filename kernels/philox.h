// Contract: Philox4x32-10 as cuRAND lays it out (the seed is the key, the subsequence is the thread, the block is the
//   generator's offset / 4), and what torch's CUDA kernels make of four words. Words, uniform() and angle() equal the
//   card's bit for bit. normal() and exponential() take logarithm, sine and cosine in double and round once. The card
//   approximates: sine and cosine to 2^-20.5, and for exponentials the logarithm of 1/2 .. 1 to 2^-22; so our last bits
//   can't be the card's. These are plain constexpr functions, which nvcc takes as device code, too, with
//   --expt-relaxed-constexpr.
//   Upstream: curand_init, curand4, curand_uniform4, curand_normal4 (curand_kernel.h, curand_normal.h,
//   curand_uniform.h); transformation::normal, transformation::exponential (ATen/core/TransformationHelper.h).
// Roofline: compute; 20 wide multiplications for four words. 262,144 latents: 15 ms on one CPU core.
#pragma once

#include <math.h>
#include <stdint.h>

namespace glm::philox {

struct Words {
  uint32_t lane[4];
};

constexpr Words one_round(const Words& counter, uint64_t key) {
  const uint64_t even = uint64_t{0xD2511F53} * counter.lane[0];
  const uint64_t odd = uint64_t{0xCD9E8D57} * counter.lane[2];
  return {{static_cast<uint32_t>(odd >> 32) ^ counter.lane[1] ^ static_cast<uint32_t>(key), static_cast<uint32_t>(odd),
           static_cast<uint32_t>(even >> 32) ^ counter.lane[3] ^ static_cast<uint32_t>(key >> 32),
           static_cast<uint32_t>(even)}};
}

// The `block`-th four words of a subsequence.
constexpr Words words(uint64_t seed, uint64_t subsequence, uint64_t block) {
  Words w{{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(subsequence),
           static_cast<uint32_t>(subsequence >> 32)}};
  auto low = static_cast<uint32_t>(seed);
  auto high = static_cast<uint32_t>(seed >> 32);
  for (int i = 0; i < 10; ++i) {
    w = one_round(w, uint64_t{high} << 32 | low);
    low += 0x9E3779B9;
    high += 0xBB67AE85;
  }
  return w;
}

// Returns a uniform number in (0, 1]. The word 0 gives 2^-33, and the 128 largest words give 1.
constexpr float uniform(uint32_t word) {
  return static_cast<float>(word) * 0x1p-32f + 0x1p-33f;
}

// Returns an angle in (0, 2 pi]. The card computes fma(word, c, c / 2) in fp32, where c = 0xC90FDB * 2^-53 is the fp32
// product of 2^-32 and 2 pi. This function computes the sum in whole numbers, which hold it exactly, and so rounds it
// only once, as the card does.
constexpr float angle(uint32_t word) {
  const auto in_fp32 = static_cast<uint64_t>(static_cast<float>(word));
  return static_cast<float>((2 * in_fp32 + 1) * 0xC90FDB) * 0x1p-54f;
}

// Returns the normal number of a lane. The lanes 0 and 1 are computed from the words 0 and 1, the lanes 2 and 3 from
// the words 2 and 3. The first lane of such a pair takes the sine of the angle, the second takes the cosine. Adding 0
// turns -0 into 0, as torch's `value * std + mean` does. (This is a template because only a template may be constexpr
// and yet call functions that aren't.)
template <typename Real = double>
constexpr float normal(const Words& w, int lane) {
  const int first = lane & 2;
  const Real radius = sqrt(-2 * log(static_cast<Real>(uniform(w.lane[first]))));
  const Real turn = angle(w.lane[first + 1]);
  return static_cast<float>(radius * (lane == first ? sin(turn) : cos(turn))) + 0.0f;
}

// Returns an exponential number of rate 1. It is never 0, because the logarithm of a number within half an epsilon of 1
// counts as -epsilon / 2.
template <typename Real = double>
constexpr float exponential(const Words& w, int lane) {
  const float u = uniform(w.lane[lane]);
  return u >= 1 - 0x1p-24f ? 0x1p-24f : static_cast<float>(-log(static_cast<Real>(u)));
}

}  // namespace glm::philox
