#include "tests/support/reference_picture.h"

namespace glm {

Image draw_reference(const ReferenceShape& shape) {
  Image image{.width = shape.width, .height = shape.height, .rgb = {}};
  for (int64_t y = 0; y < shape.height; ++y) {
    for (int64_t x = 0; x < shape.width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t level = x * (3 + shape.pattern) + y * (5 + c) + (x * y >> 3) * (c + 1) + 60 * c;
        image.rgb.push_back(static_cast<uint8_t>(level & 255));
      }
    }
  }
  return image;
}

}  // namespace glm
