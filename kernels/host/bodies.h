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

// Multiplies kRows rows of x by kOuts rows of a weight. Each result is a sum of 16 lanes, lane i of the columns
// i, i + 16, i + 32 and so on, in this order: its bits depend on its own operands alone.
template <int kOuts, int kRows, typename T>
inline void multiply_block(const T* weight, const Product& p, int64_t row, int64_t out) {
  Lanes sums[kOuts][kRows];
#pragma GCC unroll 16
  for (int o = 0; o < kOuts; ++o) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sums[o][r] = splat(0.0f);
  }
  const float* const x = p.x + row * p.x_stride;
  const T* const w = weight + out * p.in;
  const int64_t whole = p.in - p.in % kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
#pragma GCC unroll 16
    for (int o = 0; o < kOuts; ++o) {
      const Lanes columns = load(w + o * p.in + k);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sums[o][r] = multiply_add(columns, load(x + r * p.x_stride + k), sums[o][r]);
    }
  }
  if (whole < p.in) {
#pragma GCC unroll 16
    for (int o = 0; o < kOuts; ++o) {
      const Lanes columns = load_some(w + o * p.in + whole, p.in - whole);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[o][r] = multiply_add(columns, load_some(x + r * p.x_stride + whole, p.in - whole), sums[o][r]);
      }
    }
  }
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

template <int kRows, typename T>
inline void multiply_rows(const T* weight, const Product& p, int64_t row, int64_t begin, int64_t end) {
  constexpr int outs = kSumsAtOnce / kRows < 8 ? kSumsAtOnce / kRows : 8;
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

inline constexpr int64_t kOutsInCache = 24;  // rows of the weight that all rows of x use before the next ones are read

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

inline constexpr int kHeadsAtOnce = kSumsAtOnce < 8 ? 4 : 8;

// Writes scores[h][t], the product of head h's query and key t.
template <int kHeads, typename T>
inline void score(const T* keys, const Attention& a) {
  for (int64_t t = 0; t < a.length; ++t) {
    Lanes sums[kHeads];
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) sums[h] = splat(0.0f);
    for (int64_t k = 0; k < a.head; k += kLanes) {
      const Lanes key = load_some(keys + t * a.head + k, a.head - k);
#pragma GCC unroll 8
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = multiply_add(key, load_some(a.q + h * a.head + k, a.head - k), sums[h]);
      }
    }
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) a.scores[h * a.length + t] = sum(sums[h]) * a.scale;
  }
}

// Turns a head's scores into weights, and returns their sum.
inline float weigh(float* scores, int64_t length) {
  float largest = scores[0];
  for (int64_t t = 1; t < length; ++t) largest = scores[t] > largest ? scores[t] : largest;
  double total = 0;
  for (int64_t t = 0; t < length; ++t) {
    scores[t] = expf(scores[t] - largest);
    total += scores[t];
  }
  return static_cast<float>(total);
}

// Writes out[h] = the values, weighted by scores[h], divided by totals[h].
template <int kHeads, typename T>
inline void mix(const T* values, const Attention& a, const float* totals) {
  for (int64_t k = 0; k < a.head; k += kLanes) {
    Lanes sums[kHeads];
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) sums[h] = splat(0.0f);
    for (int64_t t = 0; t < a.length; ++t) {
      const Lanes value = load_some(values + t * a.head + k, a.head - k);
#pragma GCC unroll 8
      for (int h = 0; h < kHeads; ++h) sums[h] = multiply_add(splat(a.scores[h * a.length + t]), value, sums[h]);
    }
    for (int h = 0; h < kHeads; ++h) {
      float lanes[kLanes];
      store(lanes, sums[h]);
      for (int64_t i = 0; i < kLanes && k + i < a.head; ++i) a.out[h * a.head + k + i] = lanes[i] / totals[h];
    }
  }
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
