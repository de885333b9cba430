// Computes what a row goes through between two products of the diffusion transformer: ModulatedRow, RowOfHeads and the
// GELU. It is included as bodies.h is, after bodies.h.
#pragma once

#include <math.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

// Returns the numbers as a tensor of the pointer's type has them.
inline Lanes as_stored(const float*, Lanes value) {
  return value;
}
inline Lanes as_stored(const uint16_t*, Lanes value) {
  return rounded_to_bf16(value);
}

// Stores the first `count` numbers, or 16 where there are more. They have been rounded.
template <typename T>
inline void store_some(T* to, Lanes value, int64_t count) {
  if (count >= kLanes) return store(to, value);
  T all[kLanes];
  store(all, value);
  for (int64_t i = 0; i < count; ++i) to[i] = all[i];
}

struct Moments {
  float mean, scale;  // scale: 1 / sqrt(variance + eps)
};

template <typename T>
inline Moments moments(const T* x, int64_t count, float eps) {
  Lanes sums = splat(0.0f);
  for (int64_t k = 0; k < count; k += kLanes) sums = sums + load_some(x + k, count - k);
  const float mean = sum(sums) / static_cast<float>(count);
  Lanes squares = splat(0.0f);
  const int64_t whole = count - count % kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    const Lanes apart = load(x + k) - splat(mean);
    squares = multiply_add(apart, apart, squares);
  }
  if (whole < count) {
    float means[kLanes] = {};  // lanes behind the row are 0, and so is their mean
    for (int64_t i = 0; i < count - whole; ++i) means[i] = mean;
    const Lanes apart = load_some(x + whole, count - whole) - load(means);
    squares = multiply_add(apart, apart, squares);
  }
  return {mean, 1.0f / sqrtf(sum(squares) / static_cast<float>(count) + eps)};
}

template <typename T>
inline Lanes normed(const T* x, int64_t count, Moments m) {
  return as_stored(x, (load_some(x, count) - splat(m.mean)) * splat(m.scale));
}

template <typename T>
void modulate_typed(const ModulatedRow& r) {
  const auto* x = static_cast<const T*>(r.x);
  if (r.y != nullptr) {
    const auto* const y = static_cast<const T*>(r.y);
    const auto* const gate = static_cast<const T*>(r.gate);
    auto* const sums = static_cast<T*>(r.sum);
    for (int64_t k = 0; k < r.dim; k += kLanes) {
      const int64_t count = r.dim - k;
      const Lanes gated = as_stored(y, load_some(y + k, count) * load_some(gate + k, count));
      store_some(sums + k, as_stored(x, gated + load_some(x + k, count)), count);
    }
    x = sums;
  }
  if (r.normed == nullptr) return;
  const auto* const scale = static_cast<const T*>(r.scale);
  const auto* const shift = static_cast<const T*>(r.shift);
  auto* const to = static_cast<T*>(r.normed);
  const Moments m = moments(x, r.dim, r.eps);
  for (int64_t k = 0; k < r.dim; k += kLanes) {
    const int64_t count = r.dim - k;
    const Lanes factor = as_stored(x, splat(1.0f) + load_some(scale + k, count));
    const Lanes product = as_stored(x, normed(x + k, count, m) * factor);
    store_some(to + k, as_stored(x, product + load_some(shift + k, count)), count);
  }
}

inline void modulate(const ModulatedRow& row) {
  row.type == Type::bf16 ? modulate_typed<uint16_t>(row) : modulate_typed<float>(row);
}

// Rotates a head by pairs (i, i + head / 2). It rounds once, as a table in fp32 asks for.
template <typename T>
inline void rotate_head(const RowOfHeads& r, T* x) {
  const int64_t half = r.head / 2;
  for (int64_t k = 0; k < half; k += kLanes) {
    const int64_t count = half - k;
    const Lanes low = load_some(x + k, count);
    const Lanes high = load_some(x + half + k, count);
    const auto part = [&](const float* table, int64_t at) { return load_some(table + at, count); };
    store_some(x + k, as_stored(x, low * part(r.cosines, k) - high * part(r.sines, k)), count);
    store_some(x + half + k, as_stored(x, high * part(r.cosines, half + k) + low * part(r.sines, half + k)), count);
  }
}

template <typename T>
void norm_heads_typed(const RowOfHeads& r) {
  for (int64_t h = 0; h < r.heads; ++h) {
    T* const x = static_cast<T*>(r.x) + h * r.head;
    const Moments m = moments(x, r.head, r.eps);
    for (int64_t k = 0; k < r.head; k += kLanes) store_some(x + k, normed(x + k, r.head - k, m), r.head - k);
    if (r.cosines != nullptr) rotate_head(r, x);
  }
}

inline void norm_heads(const RowOfHeads& row) {
  row.type == Type::bf16 ? norm_heads_typed<uint16_t>(row) : norm_heads_typed<float>(row);
}

// x / 2 * (1 + tanh(u)) is x / (1 + exp(-2 u)), with u = sqrt(2 / pi) * (x + 0.044715 x^3).
template <typename T>
void gelu_typed(T* x, int64_t count) {
  for (int64_t k = 0; k < count; k += kLanes) {
    const Lanes value = load_some(x + k, count - k);
    const Lanes factor = multiply_add(value * value, splat(-2 * 0.0356774081f), splat(-2 * 0.7978845608f));
    const Lanes gated = value / (splat(1.0f) + exponential(value * factor));
    store_some(x + k, as_stored(x, gated), count - k);
  }
}

inline void gelu(void* x, Type type, int64_t count) {
  type == Type::bf16 ? gelu_typed(static_cast<uint16_t*>(x), count) : gelu_typed(static_cast<float*>(x), count);
}

}  // namespace
}  // namespace glm::host
