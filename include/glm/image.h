// A picture as bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace glm {

struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  // [height][width][3], sRGB
};

}  // namespace glm
