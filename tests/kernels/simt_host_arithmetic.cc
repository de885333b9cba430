// What simt_host.h's names compute and move, apart from the fibers.
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/kernels/simt_host.h"

namespace glm::simt {
namespace host {

void check_aligned(const void* address, int bytes, const Where& where) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) fail("a misaligned address", where);
}

uint16_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return 0x7FFF;
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

uint16_t multiply_bf16(uint16_t a, uint16_t b) {
  const float product = bf16_to_float(a) * bf16_to_float(b);  // exact unless it is subnormal
  if (product == 0 || !std::isfinite(product) || std::abs(product) >= std::numeric_limits<float>::min()) {
    return round_to_bf16(product);
  }
  const double exact = static_cast<double>(bf16_to_float(a)) * bf16_to_float(b);
  return round_to_bf16(static_cast<float>(std::nearbyint(exact * 0x1p133) * 0x1p-133));
}

// Below 2^-14 an fp16 has steps of 2^-24, and above 65504 comes infinity.
uint16_t round_to_fp16(double value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::abs(value);
  if (std::isnan(value)) return 0x7FFF;
  if (size < 0x1p-14) return sign | static_cast<uint16_t>(std::nearbyint(size * 0x1p24));
  if (size >= 65520) return sign | 0x7C00;
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);  // 0.5 … 1
  return sign | static_cast<uint16_t>(((exponent + 13) << 10) + static_cast<int>(std::nearbyint(fraction * 0x1p11)));
}

float fp16_to_float(uint32_t bits) {
  const uint32_t exponent = bits >> 10 & 31;
  const auto fraction = static_cast<float>(bits & 0x3FF);
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * fraction * 0x1p-24f;
  return sign * std::ldexp(1024 + fraction, static_cast<int>(exponent) - 25);
}

}  // namespace host

void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const host::Where& where) {
  const auto& lanes = host::exchange("mma", {a[0], a[1], a[2], a[3], b0, b1}, where);
  const auto half = [](uint32_t word, int k) { return host::bf16_to_float(k % 2 == 0 ? word & 0xFFFF : word >> 16); };
  const int g = thread() % 32 / 4;
  const int t = thread() % 4;
  for (int i = 0; i < 4; ++i) {
    double sum = c[i];
    for (int k = 0; k < 16; ++k) {
      const host::Deposit& of_a = lanes[4 * g + k % 8 / 2];
      const host::Deposit& of_b = lanes[4 * (2 * t + i % 2) + k % 8 / 2];
      sum += static_cast<double>(half(of_a[i / 2 + 2 * (k / 8)], k)) * half(of_b[4 + k / 8], k);
    }
    c[i] = static_cast<float>(sum);
  }
}

Words4 load16(const void* from, const host::Where& where) {
  host::check_aligned(from, 16, where);
  Words4 v;
  std::memcpy(&v, from, 16);
  return v;
}

void store16(void* to, const Words4& v, const host::Where& where) {
  host::check_aligned(to, 16, where);
  std::memcpy(to, &v, 16);
}

Words2 load8(const void* from, const host::Where& where) {
  host::check_aligned(from, 8, where);
  Words2 v;
  std::memcpy(&v, from, 8);
  return v;
}

void store8(void* to, const Words2& v, const host::Where& where) {
  host::check_aligned(to, 8, where);
  std::memcpy(to, &v, 8);
}

}  // namespace glm::simt
