// Draws the next token of each batch row: kernels/sampling.h's contract on a card, with a block of 512 threads per row.
// A thread holds 34 neighbouring ids. Probabilities are summed as whole numbers, in units of 2^-31 of the largest, so
// that the order of adding doesn't matter. The edge of the nucleus is found by halving the range of the logits' 16
// bits. Upstream's fp32 sum may put an id at the very edge on the other side.
#pragma once

#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/parameters.h"
#include "kernels/philox.h"

namespace glm::cuda {

constexpr int kSampleThreads = 512;
constexpr int kIds = kMaxVocab / kSampleThreads;  // ids of a thread

struct SampleShared {
  float floats[kSumSlots];
  uint32_t words[kSumSlots];
  uint64_t longs[kSumSlots];
  // The logits' keys; in the race the ids that are left, each with its key in the upper half.
  uint32_t left[kMaxVocab];
};
constexpr int kSampleSharedBytes = sizeof(SampleShared);

// The bits of a bf16 as a number that grows with its value, called its key; and the way back.
constexpr uint32_t ordered(uint32_t bits) {
  return bits & 0x8000u ? ~bits & 0xFFFFu : bits | 0x8000u;
}
constexpr uint32_t from_ordered(uint32_t key) {
  return key & 0x8000u ? key & 0x7FFFu : ~key & 0xFFFFu;
}

struct Ids {
  uint32_t keys[(kIds + 1) / 2];  // the logits' keys, two to a word
  uint32_t mass[kIds];            // the probability, in units of 2^-31 of the largest; 0: dropped

  GLM_DEVICE uint32_t key(int k) const { return keys[k / 2] >> 16 * (k % 2) & 0xFFFFu; }
};

GLM_DEVICE float logit_of(uint32_t key) {
  return simt::bits_to_float(from_ordered(key) << 16);
}

// The probability of an id relative to the largest's.
GLM_DEVICE float weight_of(const SampleParams& p, uint32_t key, float largest) {
  return simt::exponent(simt::divide(logit_of(key), p.temperature) - largest);
}

// Returns the largest 16-bit key for which enough(key) holds. It has to hold from 0 up to some key, and not beyond.
template <typename Enough>
GLM_DEVICE uint32_t last_key(Enough enough) {
  uint32_t key = 0;
#pragma unroll 1
  for (uint32_t bit = 0x8000u; bit > 0; bit /= 2) {
    if (enough(key | bit)) key |= bit;
  }
  return key;
}

// Drops the least likely ids: as many as together have no more than `p.dropped_mass` of the whole mass. `most` is the
// largest key, and `all` is the mass of this thread's ids. Upstream: TopPLogitsWarper
GLM_DEVICE void drop(const SampleParams& p, uint32_t most, uint64_t all, Ids& ids, SampleShared& s) {
  const auto limit =
      static_cast<uint64_t>(static_cast<double>(p.dropped_mass) * static_cast<double>(block_sum(all, s.longs)));
  const auto mass_below = [&](uint32_t key) {
    uint64_t sum = 0;
#pragma unroll
    for (int k = 0; k < kIds; ++k) sum += ids.key(k) < key ? ids.mass[k] : 0;
    return block_sum(sum, s.longs);
  };
  // All ids below the key `edge` are dropped. Of the ids at `edge` the lowest are dropped, as many as fit into the
  // limit, but never the last id of all.
  uint32_t edge = last_key([&](uint32_t key) { return mass_below(key) <= limit; });
  edge = edge < most ? edge : most;
  const uint64_t left = limit - mass_below(edge);
  uint32_t own = 0;
  uint32_t mass = 0;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (ids.mass[k] > 0 && ids.key(k) == edge) {
      ++own;
      mass = ids.mass[k];
    }
  }
  mass = block_largest(mass, s.words);
  uint32_t rank = sum_before(own, s.words);
  const uint32_t equals = block_sum(own, s.words);
  uint64_t dropped = mass > 0 ? left / mass : 0;
  if (edge == most && dropped >= equals) dropped = equals - 1;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (ids.key(k) < edge) ids.mass[k] = 0;
    if (ids.mass[k] > 0 && ids.key(k) == edge) {
      if (rank < dropped) ids.mass[k] = 0;
      ++rank;
    }
  }
}

// Sets the masses of the ids: 0 from `end` on, and where top-k or top-p drops one.
GLM_DEVICE void select(const SampleParams& p, int end, Ids& ids, SampleShared& s) {
  const int first = simt::thread() * kIds;
  uint32_t most = 0;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (first + k < end && ids.key(k) > most) most = ids.key(k);
  }
  most = block_largest(most, s.words);
  uint32_t kept_from = 0;
  if (p.top_k > 0 && p.top_k < p.vocab) {
    kept_from = last_key([&](uint32_t key) {
      uint32_t count = 0;
#pragma unroll
      for (int k = 0; k < kIds; ++k) count += first + k < end && ids.key(k) >= key ? 1 : 0;
      return block_sum(count, s.words) >= static_cast<uint32_t>(p.top_k);
    });
  }
  const float largest = simt::divide(logit_of(most), p.temperature);
  uint64_t all = 0;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    ids.mass[k] = 0;
    if (first + k < end && ids.key(k) >= kept_from) {
      const float weight = weight_of(p, ids.key(k), largest);
      // Without top-p a mass only says whether the id is there. In units of 2^-31 it could become 0 beside a far
      // likelier illegal id, although it is the likeliest legal one.
      ids.mass[k] = p.dropped_mass < 0 ? (weight > 0 ? 1 : 0) : static_cast<uint32_t>(weight * 2147483648.0f);
    }
    all += ids.mass[k];
  }
  if (p.dropped_mass >= 0) drop(p, most, all, ids, s);
}

// Returns the id with the largest value, the lowest one of equals. A thread that has no id gives -1.
GLM_DEVICE int winner(float value, int id, SampleShared& s) {
  const float most = block_largest(value, s.floats);
  const uint32_t lowest = block_largest(value == most ? ~static_cast<uint32_t>(id) : 0u, s.words);
  return static_cast<int>(~lowest);
}

// Draws an id: argmax of p / q over the ids below `legal` that are left. All that are left are gathered first, so that
// all threads share the work.
GLM_DEVICE int race(const SampleParams& p, int row, int count, int legal, const Ids& ids, SampleShared& s) {
  const int first = simt::thread() * kIds;
  uint32_t own = 0;
  uint32_t most = 0;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (ids.mass[k] > 0) {
      ++own;
      most = ids.key(k) > most ? ids.key(k) : most;
    }
  }
  const float largest = simt::divide(logit_of(block_largest(most, s.words)), p.temperature);
  uint32_t place = sum_before(own, s.words);
  const auto left = static_cast<int>(block_sum(own, s.words));
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (ids.mass[k] > 0) {
      s.left[place] = ids.key(k) << 16 | static_cast<uint32_t>(first + k);
      ++place;
    }
  }
  simt::sync();
  float sum = 0;
#pragma unroll 1
  for (int i = simt::thread(); i < left; i += kSampleThreads) sum += weight_of(p, s.left[i] >> 16, largest);
  sum = block_sum(sum, s.floats);
  float best = -1;
  int id = 0;
#pragma unroll 1
  for (int i = simt::thread(); i < left; i += kSampleThreads) {
    const auto candidate = static_cast<int>(s.left[i] & 0xFFFFu);
    if (candidate >= legal) continue;
    const float q =
        p.exponentials != nullptr
            ? p.exponentials[static_cast<int64_t>(row) * p.vocab + candidate]
            : philox::exponential(
                  philox::words(p.seeds[row], static_cast<uint64_t>(candidate), static_cast<uint64_t>(count)), 0);
    const float value = simt::divide(simt::divide(weight_of(p, s.left[i] >> 16, largest), sum), q);
    if (value > best) {  // a thread's ids grow, so of equals the lowest stays
      best = value;
      id = candidate;
    }
  }
  return winner(best, id, s);
}

GLM_DEVICE int likeliest(int legal, const Ids& ids, SampleShared& s) {
  const int first = simt::thread() * kIds;
  float best = -1;
  int id = first;
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    const auto key = static_cast<float>(ids.key(k));
    if (first + k < legal && key > best) {
      best = key;
      id = first + k;
    }
  }
  return winner(best, id, s);
}

GLM_DEVICE void sample(const SampleParams& p) {
  SampleShared& s = *reinterpret_cast<SampleShared*>(simt::shared());
  const int row = simt::block().x;
  const int first = simt::thread() * kIds;
  const int count = p.counts[row];
  if (count >= p.totals[row]) return;
  const int legal = p.mask != 0 && count + 1 < p.totals[row] ? p.codebook : p.vocab;

  // Neighbouring threads load neighbouring logits, and a thread loads all of a part before it needs any.
  float sums[kIds] = {};
  for (int part = 0; part < p.splits; ++part) {
#pragma unroll
    for (int n = 0; n < kIds; ++n) {
      const int i = simt::thread() + n * kSampleThreads;
      if (i < p.vocab) sums[n] += p.logits[(static_cast<int64_t>(part) * p.batch + row) * p.vocab + i];
    }
  }
  uint32_t broken = 0;
#pragma unroll
  for (int n = 0; n < kIds; ++n) {
    const int i = simt::thread() + n * kSampleThreads;
    if (i >= p.vocab) continue;
    const uint32_t bits = simt::float_to_bits(simt::round_bf16(sums[n])) >> 16;
    broken |= (bits & 0x7F80u) == 0x7F80u ? 1 : 0;
    s.left[i] = ordered(bits);
  }
  simt::sync();
  Ids ids = {};
#pragma unroll
  for (int k = 0; k < kIds; ++k) {
    if (first + k < p.vocab) ids.keys[k / 2] |= s.left[first + k] << 16 * (k % 2);
  }
  broken = block_largest(broken, s.words);

  int token = 0;
  if (broken != 0) {
    if (simt::thread() == 0) p.not_finite[row] = 1;
  } else if (p.greedy != 0) {
    token = likeliest(legal, ids, s);
  } else {
    int end = p.vocab;
    uint32_t some = 0;
#pragma unroll 1
    while (true) {
      select(p, end, ids, s);
#pragma unroll
      for (int k = 0; k < kIds; ++k) some |= first + k < legal && ids.mass[k] > 0 ? 1 : 0;
      if (block_largest(some, s.words) != 0 || end == legal) break;
      end = legal;  // no legal id is left, so the legal ids get a nucleus of their own
    }
    token = race(p, row, count, legal, ids, s);
  }
  if (simt::thread() == 0) {
    p.tokens[row] = token;
    if (p.written == nullptr) return;
    p.written[static_cast<int64_t>(row) * p.written_stride + count] = token;
    p.counts[row] = count + 1;
    p.lengths[row] += p.advance;
  }
}

}  // namespace glm::cuda
