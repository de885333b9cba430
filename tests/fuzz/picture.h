// What the targets of picture formats share.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "glm/error.h"
#include "glm/picture_file.h"
#include "pictures/raster.h"

// Large pictures show nothing that small ones don't, and a thousand times more slowly.
inline void refuse_large(int64_t width, int64_t height) {
  if (width > 0 && height > 0 && width <= 8192 && height <= 8192 && width * height > (1 << 14)) {
    throw glm::Error(glm::ErrorCode::usage, "too large for a fuzzer");
  }
}
extern "C" {
void __real__ZN3glm18check_picture_sizeEll(int64_t width, int64_t height);
void __wrap__ZN3glm18check_picture_sizeEll(int64_t width, int64_t height) {
  refuse_large(width, height);
  __real__ZN3glm18check_picture_sizeEll(width, height);
}
void __real__ZN3glm8allocateEPNS_6RasterE(glm::Raster* raster);
void __wrap__ZN3glm8allocateEPNS_6RasterE(glm::Raster* raster) {
  refuse_large(raster->width, raster->height);
  __real__ZN3glm8allocateEPNS_6RasterE(raster);
}
}

// Decodes the bytes with their first ones replaced by the format's, and asks the result's size.
inline int decode(std::string_view signature, std::vector<uint8_t> bytes) {
  std::copy_n(signature.begin(), std::min(signature.size(), bytes.size()), bytes.begin());
  try {
    const glm::Image image = glm::decode_picture(bytes);
    if (image.rgb.size() != static_cast<size_t>(image.width * image.height * 3)) __builtin_trap();
  } catch (const glm::Error& e) {
    if (e.code() != glm::ErrorCode::usage) __builtin_trap();
  }
  return 0;
}
