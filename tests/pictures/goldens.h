// What upstream's libraries made, from goldens/. make_picture_goldens.py says what is in the files.
#pragma once

#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "glm/image.h"

namespace glm {

// Throws when upstream's versions aren't in it.
inline nlohmann::json read_golden(const std::string& name) {
  nlohmann::json golden = nlohmann::json::parse(std::ifstream(std::string(GLM_GOLDENS "/") + name));
  for (const char* key : {"torch", "transformers", "torchvision", "pillow"}) {
    if (!golden.at("versions").contains(key)) throw std::runtime_error(name + " wasn't made by upstream");
  }
  return golden;
}

inline uint32_t checksum(const void* bytes, size_t size) {
  return static_cast<uint32_t>(crc32(0, static_cast<const Bytef*>(bytes), static_cast<uInt>(size)));
}
inline uint32_t checksum(const Image& image) {
  return checksum(image.rgb.data(), image.rgb.size());
}

// The picture that make_picture_goldens.py calls pattern(): squares of noise, of a slope, and of black and white lines.
inline Image pattern(int64_t width, int64_t height) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        const uint32_t noise = (((x * 73856093U) ^ (y * 19349663U) ^ (c * 83492791U)) * 2654435761U) >> 24U;
        const uint32_t slope = x * 3 + y * 5 + c * 40;
        const uint32_t lines = ((x / (c + 1) + y) & 1U) * 255;
        const uint32_t kind = (x / 24 + y / 16) % 3;
        image.rgb.push_back(static_cast<uint8_t>(kind == 0 ? noise : kind == 1 ? slope : lines));
      }
    }
  }
  return image;
}

}  // namespace glm
