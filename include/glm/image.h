// Pictures as bytes, and their files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "glm/api.h"

namespace glm {

struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  // [height][width][3], sRGB
};

// Writes a PNG, whole or not at all. Throws Error(io).
GLM_API void write_png(const std::filesystem::path& file, const Image& image);

}  // namespace glm
