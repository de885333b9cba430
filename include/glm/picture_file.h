// Pictures people have, as pixels: PNG, JPEG, WebP, BMP, and the first frame of a GIF.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "glm/api.h"
#include "glm/image.h"

namespace glm {

// What is accepted, known from a file's header before a pixel is decoded.
inline constexpr int64_t kSmallestPictureSide = 16;
inline constexpr int64_t kLargestPictureSide = 8192;
inline constexpr int64_t kMostPicturePixels = int64_t{1} << 25;

// The picture as it is meant to be seen: turned as its EXIF says, its ICC profile converted to sRGB (one that can't be
// used is passed over), transparency over white. 8-bit RGB with none of these comes out exactly as in upstream's PIL.
// Throws Error(usage) for what is no picture, broken, cut short or outside the limits above, Error(memory) for lack of
// it.
GLM_API Image decode_picture(std::span<const uint8_t> bytes);

// The same of a file. Throws Error(io) when it can't be read; every message names the file.
GLM_API Image read_picture(const std::filesystem::path& file);

}  // namespace glm
