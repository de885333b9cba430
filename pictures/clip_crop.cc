#include "pictures/clip_crop.h"

#include <algorithm>

#include "pictures/resize.h"

namespace glm {
namespace {

// An axis of the resized picture, and the part of it that the square shows.
struct Axis {
  int64_t resized;  // pixels
  int64_t first;    // pixels of it that lie before the square
  int64_t count;    // pixels of it that lie in the square
  int64_t before;   // black pixels of the square before it
};

Axis axis_of(int64_t resized, int64_t side) {
  // Upstream pads first and crops then, and each of its halves is rounded down.
  if (resized < side) return {.resized = resized, .first = 0, .count = resized, .before = (side - resized) / 2};
  return {.resized = resized, .first = (resized - side) / 2, .count = side, .before = 0};
}

}  // namespace

Image clip_crop(const Image& image, const ClipCropRule& rule) {
  // Upstream: get_resize_output_image_size, which truncates
  const int64_t shorter = std::min(image.width, image.height);
  const auto resized = [&](int64_t side) {
    return side == shorter ? rule.shortest_edge : rule.shortest_edge * side / shorter;
  };
  const Axis x = axis_of(resized(image.width), rule.side);
  const Axis y = axis_of(resized(image.height), rule.side);
  Image part = resize_bicubic(image, x.resized, y.resized,
                              {.left = x.first, .top = y.first, .width = x.count, .height = y.count});
  if (x.count == rule.side && y.count == rule.side) return part;
  Image square{.width = rule.side, .height = rule.side, .rgb = {}};
  square.rgb.resize(static_cast<size_t>(rule.side * rule.side * 3));
  for (int64_t row = 0; row < y.count; ++row) {
    const auto from = part.rgb.begin() + row * x.count * 3;
    std::copy(from, from + x.count * 3, square.rgb.begin() + ((y.before + row) * rule.side + x.before) * 3);
  }
  return square;
}

}  // namespace glm
