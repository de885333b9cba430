#include "pictures/reference_size.h"

#include <algorithm>
#include <cmath>

namespace glm {
namespace {

// Rounds as Python's round(): halves to even, which nearbyint does in the default rounding mode.
int64_t rounded(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

}  // namespace

ReferenceSize reference_size(int64_t width, int64_t height, const ReferenceRule& rule) {
  const int64_t shortest = rounded(std::sqrt(static_cast<double>(rule.min_pixels)));
  const int64_t longest = rounded(std::sqrt(static_cast<double>(rule.max_pixels)));
  const auto [min_side, max_side] = std::minmax(width, height);
  double ratio = 1.0;
  if (min_side < shortest) ratio = static_cast<double>(shortest) / static_cast<double>(min_side);
  if (static_cast<double>(max_side) * ratio > static_cast<double>(longest)) {
    ratio = static_cast<double>(longest) / static_cast<double>(max_side);
  }
  // The vision tower sees the picture at half its size.
  const auto cells = [&](int64_t side) {
    const int64_t half = side / 2;
    const double pixels = static_cast<double>(half) * ratio;
    return std::max<int64_t>(1, rounded(pixels / static_cast<double>(rule.cell)));
  };
  int64_t columns = cells(width);
  int64_t rows = cells(height);
  if (std::max(columns, rows) * rule.cell > longest) {
    const double beta = static_cast<double>(std::max(columns, rows) * rule.cell) / static_cast<double>(longest);
    const auto shrunk = [&](int64_t count) {
      const double pixels = static_cast<double>(count * rule.cell) / beta;
      return std::max<int64_t>(1, static_cast<int64_t>(std::floor(pixels / static_cast<double>(rule.cell))));
    };
    columns = shrunk(columns);
    rows = shrunk(rows);
  }
  return {.columns = columns,
          .rows = rows,
          .vision_width = columns * rule.cell,
          .vision_height = rows * rule.cell,
          .vae_width = columns * rule.vae_cell,
          .vae_height = rows * rule.vae_cell};
}

}  // namespace glm
