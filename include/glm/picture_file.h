// Reads picture files: PNG, JPEG, WebP, BMP, GIF. Of an animation it takes the first frame.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "glm/api.h"
#include "glm/image.h"

namespace glm {

// The sizes that are accepted. A file's header says its size before a pixel is decoded.
inline constexpr int64_t kSmallestPictureSide = 16;
inline constexpr int64_t kLargestPictureSide = 8192;
inline constexpr int64_t kMostPicturePixels = int64_t{1} << 25;
// A JPEG may have more. It is halved, at most three times, while it is decoded, until it fits.
inline constexpr int64_t kMostJpegPixels = int64_t{1} << 28;

// Returns the picture as it is meant to be seen: rotated as its EXIF or XMP says, converted from its ICC profile to
// sRGB, and transparent parts over white. A profile that can't be used is ignored. 8-bit RGB that needs none of this
// comes out exactly as in upstream's PIL. Throws Error(usage) for bytes that are no picture, broken, cut short or
// outside the limits above, and Error(memory). Thread safe.
GLM_API Image decode_picture(std::span<const uint8_t> bytes);

// Does the same for a file. Throws Error(io), too, when it can't be read. Every message names the file.
GLM_API Image read_picture(const std::filesystem::path& file);

}  // namespace glm
