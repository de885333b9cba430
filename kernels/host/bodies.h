// The kernels of host_kernels.h, written once. plain.cc, avx2.cc and avx512.cc include it after their lanes, and so
// compile it for their instructions.
#pragma once

#include <math.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

// Loads the first `count` numbers, or 16 where there are more. The other lanes are 0.
template <typename T>
inline Lanes load_some(const T* from, int64_t count) {
  if (count >= kLanes) return load(from);
  T padded[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = from[i];
  return load(padded);
}

// Writes the sum of each block of lanes to its place in y.
template <int kOuts, int kRows>
inline void write_sums(const Lanes (&sums)[kOuts][kRows], const Product& p, int64_t row, int64_t out) {
  float results[kOuts * kRows];
  constexpr int fours = kOuts * kRows / 4 * 4;
#pragma GCC unroll 16
  for (int i = 0; i < fours; i += 4) sum_each(&sums[0][0] + i, results + i);
#pragma GCC unroll 16
  for (int i = fours; i < kOuts * kRows; ++i) results[i] = sum((&sums[0][0])[i]);
  for (int o = 0; o < kOuts; ++o) {
    for (int r = 0; r < kRows; ++r) p.y[(row + r) * p.y_stride + out + o] = results[o * kRows + r];
  }
}

// Adds the products of kRows rows of x and kOuts rows of a weight to their sums. Each result is a sum of 16 lanes, lane
// i of the columns i, i + 16, i + 32 and so on, in this order: its bits depend on its own operands alone. part: so many
// of the rows of the weight behind `next` are prefetched.
template <int kOuts, int kRows, typename T>
inline void add_block(Lanes (&sums)[kOuts][kRows], const T* w, const float* x, const Product& p, const T* next,
                      int64_t part) {
  const int64_t whole = p.in - p.in % kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
#pragma GCC unroll 16
    for (int o = 0; o < kOuts; ++o) {
      if (o < part) __builtin_prefetch(next + o * p.in + k);
      const Lanes columns = load(w + o * p.in + k);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sums[o][r] = multiply_add(columns, load(x + r * p.x_stride + k), sums[o][r]);
    }
  }
  if (whole == p.in) return;
#pragma GCC unroll 16
  for (int o = 0; o < kOuts; ++o) {
    const Lanes columns = load_some(w + o * p.in + whole, p.in - whole);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      sums[o][r] = multiply_add(columns, load_some(x + r * p.x_stride + whole, p.in - whole), sums[o][r]);
    }
  }
}

// Multiplies kRows rows of x by kOuts rows of a weight.
template <int kOuts, int kRows, typename T>
inline void multiply_block(const T* weight, const Product& p, int64_t row, int64_t out) {
  Lanes sums[kOuts][kRows];
#pragma GCC unroll 16
  for (int o = 0; o < kOuts; ++o) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sums[o][r] = splat(0.0f);
  }
  const T* const w = weight + out * p.in;
  // Each group of rows prefetches a part of the next weights. They arrive while the current weights are used. If there
  // is only one group and the weights are fp32, nothing is prefetched: that was 10 % slower, because such a product
  // waits for memory anyway.
  const int64_t groups = (p.rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const int64_t part = groups == 1 && sizeof(T) == sizeof(float) ? 0 : (kOuts + groups - 1) / groups;
  const T* const next = w + (kOutsInCache + row / kRowsAtOnce * part) * p.in;
  add_block<kOuts, kRows>(sums, w, p.x + row * p.x_stride, p, next, part);
  write_sums<kOuts, kRows>(sums, p, row, out);
}

// Returns the largest divisor of kOutsInCache for which all sums fit into registers.
constexpr int outs_at_once(int rows) {
  int outs = kOutsInCache;
  while (outs * rows > kSumsAtOnce || kOutsInCache % outs != 0) --outs;
  return outs;
}

template <int kRows, typename T>
inline void multiply_rows(const T* weight, const Product& p, int64_t row, int64_t begin, int64_t end) {
  constexpr int outs = outs_at_once(kRows);
  int64_t out = begin;
  for (; out + outs <= end; out += outs) multiply_block<outs, kRows>(weight, p, row, out);
  for (; out < end; ++out) multiply_block<1, kRows>(weight, p, row, out);
}

// Takes as many rows at once as there are left, and at most kRows.
template <int kRows, typename T>
inline void multiply_some(const T* weight, const Product& p, int64_t row, int64_t begin, int64_t end) {
  if constexpr (kRows > 1) {
    if (p.rows - row < kRows) return multiply_some<kRows - 1>(weight, p, row, begin, end);
  }
  multiply_rows<kRows>(weight, p, row, begin, end);
}

template <typename T>
void multiply_typed(const T* weight, const Product& p, int64_t begin, int64_t end) {
  for (int64_t out = begin; out < end; out += kOutsInCache) {
    const int64_t last = end - out < kOutsInCache ? end : out + kOutsInCache;
    for (int64_t row = 0; row < p.rows; row += kRowsAtOnce) multiply_some<kRowsAtOnce>(weight, p, row, out, last);
  }
}

inline void multiply(const Product& p, int64_t begin, int64_t end) {
  if (p.weight.type == Type::bf16) {
    multiply_typed(static_cast<const uint16_t*>(p.weight.data), p, begin, end);
  } else {
    multiply_typed(static_cast<const float*>(p.weight.data), p, begin, end);
  }
}

// Returns e^x. It is 2^n * e^r, with the whole number n next to x * log2(e). e^r is a polynomial (Cephes' expf).
inline Lanes exponential(Lanes x) {
  x = larger(splat(-110.0f), smaller(splat(89.0f), x));  // below -110 e^x is 0, and above 89 it is infinite
  const Lanes whole = multiply_add(x, splat(1.44269504f), splat(kWhole));
  const Lanes n = whole - splat(kWhole);
  const Lanes r = multiply_add(n, splat(2.12194440e-4f), multiply_add(n, splat(-0.693359375f), x));
  constexpr float factors[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                               5.0000001201e-1f};
  Lanes sum = splat(1.9875691500e-4f);
#pragma GCC unroll 5
  for (const float factor : factors) sum = multiply_add(sum, r, splat(factor));
  return scaled(multiply_add(sum, r * r, r) + splat(1.0f), whole);
}

// Calls `work` with 16 numbers at a time. It may change them. If the last ones are fewer, `work` gets a copy that is
// filled up with `filler`.
template <typename Work>
inline void by_lanes(float* x, int64_t count, float filler, const Work& work) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) work(x + i);
  if (i == count) return;
  float last[kLanes];
  for (int64_t k = 0; k < kLanes; ++k) last[k] = i + k < count ? x[i + k] : filler;
  work(last);
  for (int64_t k = i; k < count; ++k) x[k] = last[k - i];
}

inline float exponentials(float* x, int64_t count, float shift) {
  Lanes sums = splat(0.0f);
  by_lanes(x, count, -__builtin_inff(), [&](float* some) {
    const Lanes result = exponential(load(some) - splat(shift));
    store(some, result);
    sums = sums + result;
  });
  return sum(sums);
}

inline void silu(float* x, int64_t count) {
  by_lanes(x, count, 0.0f, [](float* some) {
    const Lanes value = load(some);
    store(some, value / (splat(1.0f) + exponential(splat(0.0f) - value)));
  });
}

inline constexpr int kKeysAtOnce = 4;  // and as many parts of 16 features of the values
inline constexpr int kHeadsAtOnce = kSumsAtOnce < 8 ? 2 : kSumsAtOnce / kKeysAtOnce;

// Writes scores[h][t], the product of head h's query and key t, for kKeys keys from t on.
template <int kHeads, int kKeys, typename T>
inline void score_block(const T* keys, const Attention& a, int64_t t) {
  Lanes sums[kHeads][kKeysAtOnce];
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int i = 0; i < kKeysAtOnce; ++i) sums[h][i] = splat(0.0f);
  }
  for (int64_t k = 0; k < a.head; k += kLanes) {
    Lanes key[kKeys];
#pragma GCC unroll 4
    for (int i = 0; i < kKeys; ++i) key[i] = load_some(keys + (t + i) * a.head + k, a.head - k);
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) {
      const Lanes query = load_some(a.q + h * a.head + k, a.head - k);
#pragma GCC unroll 4
      for (int i = 0; i < kKeys; ++i) sums[h][i] = multiply_add(key[i], query, sums[h][i]);
    }
  }
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
    float products[kKeysAtOnce];
    sum_each(sums[h], products);
    for (int i = 0; i < kKeys; ++i) a.scores[h * a.length + t + i] = products[i] * a.scale;
  }
}

template <int kHeads, typename T>
inline void score(const T* keys, const Attention& a) {
  int64_t t = 0;
  for (; t + kKeysAtOnce <= a.length; t += kKeysAtOnce) score_block<kHeads, kKeysAtOnce>(keys, a, t);
  for (; t < a.length; ++t) score_block<kHeads, 1>(keys, a, t);
}

// Turns a head's scores into weights, and returns their sum.
inline float weigh(float* scores, int64_t length) {
  Lanes lanes = splat(scores[0]);
  by_lanes(scores, length, scores[0], [&](const float* some) { lanes = larger(load(some), lanes); });
  float all[kLanes];
  store(all, lanes);
  float largest = all[0];
  for (int i = 1; i < kLanes; ++i) largest = all[i] > largest ? all[i] : largest;
  return exponentials(scores, length, largest);
}

// Writes 16 * kChunks features of out[h], from feature k on: the values, weighted by scores[h], divided by totals[h].
template <int kHeads, int kChunks, typename T>
inline void mix_block(const T* values, const Attention& a, const float* totals, int64_t k) {
  Lanes sums[kHeads][kChunks];
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 4
    for (int c = 0; c < kChunks; ++c) sums[h][c] = splat(0.0f);
  }
  for (int64_t t = 0; t < a.length; ++t) {
    Lanes value[kChunks];
#pragma GCC unroll 4
    for (int c = 0; c < kChunks; ++c) {
      const int64_t feature = k + int64_t{c} * kLanes;
      value[c] = load_some(values + t * a.head + feature, a.head - feature);
    }
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) {
      const Lanes weight = splat(a.scores[h * a.length + t]);
#pragma GCC unroll 4
      for (int c = 0; c < kChunks; ++c) sums[h][c] = multiply_add(weight, value[c], sums[h][c]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    float features[kChunks * kLanes];
    for (int c = 0; c < kChunks; ++c) store(features + c * kLanes, sums[h][c] / splat(totals[h]));
    for (int64_t i = 0; i < int64_t{kChunks} * kLanes && k + i < a.head; ++i) a.out[h * a.head + k + i] = features[i];
  }
}

template <int kHeads, typename T>
inline void mix(const T* values, const Attention& a, const float* totals) {
  constexpr int64_t together = int64_t{kKeysAtOnce} * kLanes;
  int64_t k = 0;
  for (; k + together <= a.head; k += together) mix_block<kHeads, kKeysAtOnce>(values, a, totals, k);
  for (; k < a.head; k += kLanes) mix_block<kHeads, 1>(values, a, totals, k);
}

template <int kHeads, typename T>
inline void attend_heads(const T* keys, const T* values, const Attention& a) {
  float totals[kHeads];
  score<kHeads>(keys, a);
  for (int h = 0; h < kHeads; ++h) totals[h] = weigh(a.scores + h * a.length, a.length);
  mix<kHeads>(values, a, totals);
}

// Attends with as many heads at once as there are left, and at most kHeads.
template <int kHeads, typename T>
inline void attend_some(const T* keys, const T* values, const Attention& a) {
  if constexpr (kHeads > 1) {
    if (a.heads < kHeads) return attend_some<kHeads - 1>(keys, values, a);
  }
  attend_heads<kHeads>(keys, values, a);
}

template <typename T>
void attend_typed(const Attention& a) {
  const auto* const keys = static_cast<const T*>(a.keys);
  const auto* const values = static_cast<const T*>(a.values);
  for (int64_t h = 0; h < a.heads; h += kHeadsAtOnce) {
    Attention some = a;
    some.heads = a.heads - h;
    some.q += h * a.head;
    some.out += h * a.head;
    attend_some<kHeadsAtOnce>(keys, values, some);
  }
}

inline void attend(const Attention& a) {
  a.type == Type::bf16 ? attend_typed<uint16_t>(a) : attend_typed<float>(a);
}

}  // namespace
}  // namespace glm::host
