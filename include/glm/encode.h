// Pictures as files: PNG, JPEG, WebP, with what they say of themselves.
#pragma once

#include <cstdint>
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

// The `about` of a PNG, JPEG or WebP, or nothing: of another program's, of broken bytes. Throws Error(memory).
GLM_API std::string read_about(std::span<const uint8_t> bytes);

// The parts, one for each format; `exif` is an Exif segment's contents, "Exif\0\0" first, or nothing.
std::vector<uint8_t> encode_png(const Image& image, const PictureText& text);
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, std::span<const uint8_t> exif);
std::vector<uint8_t> encode_webp(const Image& image, int quality, std::span<const uint8_t> exif);
std::string about_in_png(std::span<const uint8_t> bytes);
std::vector<uint8_t> exif_in_webp(std::span<const uint8_t> bytes);

}  // namespace glm
