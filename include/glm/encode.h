// Pictures as files: PNG, JPEG, WebP, with what they say of themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/image.h"

namespace glm {

enum class PictureFormat { png, jpeg, webp };

// How a picture was made. JPEG and WebP hold `about` alone, in the EXIF UserComment; PNG both, as iTXt.
struct PictureText {
  std::string about;       // JSON in ASCII; PNG's keyword "glm-image"
  std::string parameters;  // UTF-8, as other programs write and read it; PNG's keyword "parameters"
};

// What of `about` a format holds: EXIF has 64 KiB for all.
inline constexpr size_t kMostExifText = 65000;

// quality: of JPEG and WebP, 1 .. 100. Throws Error(usage) for a picture or a text that the format can't hold,
// Error(memory).
GLM_API std::vector<uint8_t> encode_picture(const Image& image, PictureFormat format, int quality,
                                            const PictureText& text);

// Writes a PNG, whole or not at all. Throws Error(io).
GLM_API void write_png(const std::filesystem::path& file, const Image& image);

// The `about` of a PNG, JPEG or WebP, or nothing: of another program's, of broken bytes. Throws Error(memory).
GLM_API std::string read_about(std::span<const uint8_t> bytes);

}  // namespace glm
