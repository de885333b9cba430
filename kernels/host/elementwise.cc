#include "kernels/host/elementwise.h"

#include <c10/util/BFloat16.h>

#include <cmath>

#include "kernels/host/lanes_plain.h"

namespace glm::host {
namespace {

// Calls `work` with a number of the type.
template <typename Work>
void with(Type type, const Work& work) {
  type == Type::bf16 ? work(c10::BFloat16()) : work(0.0f);
}

// Returns the value as T has it.
template <typename T>
float rounded(float value) {
  return static_cast<float>(static_cast<T>(value));
}

float sum_of_squares(const float* x, int64_t count) {
  Lanes lanes = splat(0.0f);
  const int64_t whole = count - count % kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) lanes = lanes + load(x + k) * load(x + k);
  for (int64_t k = whole; k < count; ++k) lanes.all[k - whole] += x[k] * x[k];
  return sum(lanes);
}

}  // namespace

void widen(const void* from, Type type, int64_t count, float* to) {
  with(type, [&](auto number) {
    using T = decltype(number);
    const auto* const stored = static_cast<const T*>(from);
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(stored[i]);
  });
}

void narrow(const float* from, int64_t count, Type type, void* to) {
  with(type, [&](auto number) {
    using T = decltype(number);
    auto* const stored = static_cast<T*>(to);
    for (int64_t i = 0; i < count; ++i) stored[i] = static_cast<T>(from[i]);
  });
}

void rms_norm(const float* x, const void* weight, Type type, int64_t dim, float eps, float* y) {
  const float scale = 1.0f / std::sqrt(sum_of_squares(x, dim) / static_cast<float>(dim) + eps);
  with(type, [&](auto number) {
    using T = decltype(number);
    const auto* const w = static_cast<const T*>(weight);
    for (int64_t i = 0; i < dim; ++i) y[i] = rounded<T>(static_cast<float>(w[i]) * rounded<T>(x[i] * scale));
  });
}

void add(const float* y, Type type, int64_t dim, float* residual) {
  with(type, [&](auto number) {
    using T = decltype(number);
    for (int64_t i = 0; i < dim; ++i) residual[i] = rounded<T>(residual[i] + y[i]);
  });
}

void finish_product(const void* bias, Type type, int64_t count, float* y) {
  with(type, [&](auto number) {
    using T = decltype(number);
    const auto* const b = static_cast<const T*>(bias);
    for (int64_t i = 0; i < count; ++i) y[i] = rounded<T>(b != nullptr ? y[i] + static_cast<float>(b[i]) : y[i]);
  });
}

void rotate(const Rotation& r, int64_t heads, float* x) {
  const int64_t half = r.rotary / 2;
  with(r.type, [&](auto number) {
    using T = decltype(number);
    const auto* const cosine = static_cast<const T*>(r.cosines);
    const auto* const sine = static_cast<const T*>(r.sines);
    const auto part = [&](float own, float other, int64_t i) {
      return rounded<T>(rounded<T>(own * static_cast<float>(cosine[i])) +
                        rounded<T>(other * static_cast<float>(sine[i])));
    };
    for (int64_t h = 0; h < heads; ++h) {
      float* const features = x + h * r.head;
      for (int64_t i = 0; i < half; ++i) {
        const float low = features[i];
        const float high = features[i + half];
        features[i] = part(low, -high, i);
        features[i + half] = part(high, low, i + half);
      }
    }
  });
}

void silu_multiply(Type type, int64_t inner, float* gate_up) {
  best_kernels().silu(gate_up, inner);
  with(type, [&](auto number) {
    using T = decltype(number);
    for (int64_t i = 0; i < inner; ++i) gate_up[i] = rounded<T>(gate_up[inner + i] * rounded<T>(gate_up[i]));
  });
}

}  // namespace glm::host
