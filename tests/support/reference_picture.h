// Pictures to start from, drawn by a formula that the goldens' script has too.
#pragma once

#include <cstdint>

#include "glm/image.h"

namespace glm {

struct ReferenceShape {
  int64_t width;
  int64_t height;
  int64_t pattern;
};

// Slopes that wrap around, other ones in each channel. weights_tools/reference/make_goldens.py draws the same.
Image draw_reference(const ReferenceShape& shape);

}  // namespace glm
