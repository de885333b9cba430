#include "pictures/resize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace glm {
namespace {

constexpr int64_t kChannels = 3;

struct Filter {
  double (*weight)(double);
  double support;               // half its width, in output pixels when shrinking
  int (*bits)(double largest);  // fractional bits of the fixed-point weights, by the largest of an axis
};

// How an axis changes its size, and which of the new pixels are wanted.
struct Axis {
  int64_t in;
  int64_t out;
  int64_t first;
  int64_t count;
  bool stays() const { return in == out && count == out; }
};

Axis whole(int64_t in, int64_t out) {
  return {.in = in, .out = out, .first = 0, .count = out};
}

// Keys' cubic with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

// The filter weights of an axis. A wanted pixel is the weighted sum of `count` input pixels from `first` on.
struct Windows {
  std::vector<int64_t> first;   // [wanted]
  std::vector<int64_t> count;   // [wanted]
  std::vector<double> weights;  // [wanted][width], each row's sum is 1
  int64_t width = 0;
  double largest = 0;  // of the weights of all pixels of the axis
};

Windows windows_of(const Filter& filter, const Axis& axis) {
  const double ratio = static_cast<double>(axis.in) / static_cast<double>(axis.out);
  const double stretch = std::max(ratio, 1.0);
  const double support = filter.support * stretch;
  Windows windows;
  windows.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  std::vector<double> weights(static_cast<size_t>(windows.width));
  for (int64_t i = 0; i < axis.out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio;
    const double from = centre - support + 0.5;  // upstream's casts round towards zero
    const double to = centre + support + 0.5;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(from), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(to), axis.in);
    const auto count = static_cast<size_t>(std::clamp<int64_t>(last - first, 0, windows.width));
    std::fill(weights.begin(), weights.end(), 0.0);
    double sum = 0.0;
    for (size_t k = 0; k < count; ++k) {
      weights[k] =
          filter.weight((static_cast<double>(k) + static_cast<double>(first) - centre + 0.5) * (1.0 / stretch));
      sum += weights[k];
    }
    for (size_t k = 0; k < count && sum != 0.0; ++k) weights[k] /= sum;
    windows.largest = std::max(windows.largest, *std::max_element(weights.begin(), weights.end()));
    if (i < axis.first || i >= axis.first + axis.count) continue;
    windows.first.push_back(first);
    windows.count.push_back(static_cast<int64_t>(count));
    windows.weights.insert(windows.weights.end(), weights.begin(), weights.end());
  }
  return windows;
}

// Rounds weights to `bits` fractional bits, halves away from zero.
std::vector<int32_t> fixed_point(const std::vector<double>& weights, int bits) {
  std::vector<int32_t> fixed;
  fixed.reserve(weights.size());
  const double one = static_cast<double>(int64_t{1} << bits);
  for (const double weight : weights) fixed.push_back(static_cast<int32_t>(weight * one + (weight < 0 ? -0.5 : 0.5)));
  return fixed;
}

// PIL takes the same number of bits for every filter.
int pil_bits(double /*largest*/) {
  return 32 - 8 - 2;
}

// ATen takes as many bits as keep the largest weight within 16 bits.
int aten_bits(double largest) {
  const auto fits = [&](int bits) {
    const double rounded = largest * static_cast<double>(int64_t{1} << bits) + 0.5;
    return static_cast<int64_t>(rounded) < (1 << 15);
  };
  int bits = 0;
  while (bits < 22 && fits(bits + 1)) ++bits;
  return bits;
}

uint8_t to_byte(int32_t sum, int bits) {
  return static_cast<uint8_t>(std::clamp(sum >> bits, 0, 255));
}

Image resized_across(const Image& image, const Axis& axis, const Filter& filter) {
  const Windows windows = windows_of(filter, axis);
  const int bits = filter.bits(windows.largest);
  const int64_t width = axis.count;
  const std::vector<int32_t> weights = fixed_point(windows.weights, bits);
  Image result{.width = width, .height = image.height, .rgb = {}};
  result.rgb.resize(static_cast<size_t>(width * image.height * kChannels));
  uint8_t* to = result.rgb.data();
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* row = &image.rgb[static_cast<size_t>(y * image.width * kChannels)];
    for (int64_t x = 0; x < width; ++x) {
      const int32_t* weight = &weights[static_cast<size_t>(x * windows.width)];
      const uint8_t* from = row + windows.first[static_cast<size_t>(x)] * kChannels;
      int32_t sum[kChannels] = {1 << (bits - 1), 1 << (bits - 1), 1 << (bits - 1)};
      for (int64_t k = 0; k < windows.count[static_cast<size_t>(x)]; ++k) {
        for (int64_t c = 0; c < kChannels; ++c) sum[c] += from[k * kChannels + c] * weight[k];
      }
      for (const int32_t s : sum) *to++ = to_byte(s, bits);
    }
  }
  return result;
}

Image resized_down(const Image& image, const Axis& axis, const Filter& filter) {
  const Windows windows = windows_of(filter, axis);
  const int bits = filter.bits(windows.largest);
  const int64_t height = axis.count;
  const std::vector<int32_t> weights = fixed_point(windows.weights, bits);
  const int64_t row = image.width * kChannels;
  Image result{.width = image.width, .height = height, .rgb = {}};
  result.rgb.resize(static_cast<size_t>(row * height));
  std::vector<int32_t> sums(static_cast<size_t>(row));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (bits - 1));
    for (int64_t k = 0; k < windows.count[static_cast<size_t>(y)]; ++k) {
      const int32_t weight = weights[static_cast<size_t>(y * windows.width + k)];
      const uint8_t* from = &image.rgb[static_cast<size_t>((windows.first[static_cast<size_t>(y)] + k) * row)];
      for (int64_t x = 0; x < row; ++x) sums[static_cast<size_t>(x)] += from[x] * weight;
    }
    uint8_t* to = &result.rgb[static_cast<size_t>(y * row)];
    for (int64_t x = 0; x < row; ++x) to[x] = to_byte(sums[static_cast<size_t>(x)], bits);
  }
  return result;
}

// Resizes one axis, then the other, and rounds to bytes between them. An axis whose size stays is left alone.
Image resized(const Image& image, const Axis& x, const Axis& y, const Filter& filter, bool down_first) {
  const auto across = [&](const Image& from) { return x.stays() ? from : resized_across(from, x, filter); };
  const auto down = [&](const Image& from) { return y.stays() ? from : resized_down(from, y, filter); };
  return down_first ? across(down(image)) : down(across(image));
}

}  // namespace

Image resize_bicubic(const Image& image, int64_t width, int64_t height) {
  return resized(image, whole(image.width, width), whole(image.height, height), {cubic, 2.0, aten_bits}, false);
}

Image resize_bicubic(const Image& image, int64_t width, int64_t height, const PictureWindow& window) {
  const Axis x{.in = image.width, .out = width, .first = window.left, .count = window.width};
  const Axis y{.in = image.height, .out = height, .first = window.top, .count = window.height};
  return resized(image, x, y, {cubic, 2.0, aten_bits}, false);
}

Image resize_lanczos(const Image& image, int64_t width, int64_t height) {
  const int64_t narrower = std::max<int64_t>(image.width - width, 0);
  return resized(image, whole(image.width, width), whole(image.height, height), {lanczos, 3.0, pil_bits},
                 image.height - height > 2 * narrower);
}

}  // namespace glm
