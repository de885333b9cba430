#include "kernels/host/elementwise.h"

#include <bit>
#include <cmath>

namespace glm::host {
namespace {

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);  // to the nearest, ties to even
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

struct Narrow {
  using Stored = uint16_t;
  static float widen(uint16_t value) { return from_bf16(value); }
  static uint16_t narrow(float value) { return to_bf16(value); }
  static float rounded(float value) { return from_bf16(to_bf16(value)); }
};

struct Wide {
  using Stored = float;
  static float widen(float value) { return value; }
  static float narrow(float value) { return value; }
  static float rounded(float value) { return value; }
};

// Calls `work` with the type's conversions.
template <typename Work>
void with(Type type, const Work& work) {
  type == Type::bf16 ? work(Narrow()) : work(Wide());
}

// A sum of squares in 16 lanes, which are added in one order.
float sum_of_squares(const float* x, int64_t count) {
  constexpr int64_t width = 16;
  float lanes[width] = {};
  const int64_t whole = count - count % width;
  for (int64_t k = 0; k < whole; k += width) {
    for (int64_t i = 0; i < width; ++i) lanes[i] += x[k + i] * x[k + i];
  }
  for (int64_t i = 0; whole + i < count; ++i) lanes[i] += x[whole + i] * x[whole + i];
  for (int64_t half = width / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

}  // namespace

float rounded(float value, Type type) {
  return type == Type::bf16 ? Narrow::rounded(value) : value;
}

void widen(const void* from, Type type, int64_t count, float* to) {
  with(type, [&](auto as) {
    const auto* const stored = static_cast<const typename decltype(as)::Stored*>(from);
    for (int64_t i = 0; i < count; ++i) to[i] = as.widen(stored[i]);
  });
}

void narrow(const float* from, int64_t count, Type type, void* to) {
  with(type, [&](auto as) {
    auto* const stored = static_cast<typename decltype(as)::Stored*>(to);
    for (int64_t i = 0; i < count; ++i) stored[i] = as.narrow(from[i]);
  });
}

void rms_norm(const float* x, const void* weight, Type type, int64_t dim, float eps, float* y) {
  const float scale = 1.0f / std::sqrt(sum_of_squares(x, dim) / static_cast<float>(dim) + eps);
  with(type, [&](auto as) {
    const auto* const w = static_cast<const typename decltype(as)::Stored*>(weight);
    for (int64_t i = 0; i < dim; ++i) y[i] = as.rounded(as.widen(w[i]) * as.rounded(x[i] * scale));
  });
}

void add(const float* y, Type type, int64_t dim, float* residual) {
  with(type, [&](auto as) {
    for (int64_t i = 0; i < dim; ++i) residual[i] = as.rounded(residual[i] + y[i]);
  });
}

void finish_product(const void* bias, Type type, int64_t count, float* y) {
  with(type, [&](auto as) {
    const auto* const b = static_cast<const typename decltype(as)::Stored*>(bias);
    for (int64_t i = 0; i < count; ++i) y[i] = as.rounded(b != nullptr ? y[i] + as.widen(b[i]) : y[i]);
  });
}

void rotate(const Rotation& r, int64_t heads, float* x) {
  const int64_t half = r.rotary / 2;
  with(r.type, [&](auto as) {
    const auto* const cosine = static_cast<const typename decltype(as)::Stored*>(r.cosines);
    const auto* const sine = static_cast<const typename decltype(as)::Stored*>(r.sines);
    const auto part = [&](float own, float other, int64_t i) {
      return as.rounded(as.rounded(own * as.widen(cosine[i])) + as.rounded(other * as.widen(sine[i])));
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

void silu_multiply(const float* gate_up, Type type, int64_t inner, float* y) {
  with(type, [&](auto as) {
    for (int64_t i = 0; i < inner; ++i) {
      const float gate = gate_up[i];
      y[i] = as.rounded(gate_up[inner + i] * as.rounded(gate / (1.0f + std::exp(-gate))));
    }
  });
}

}  // namespace glm::host
