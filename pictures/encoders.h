// The formats that pictures are written in, one each, and what such a file says of itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "glm/encode.h"

namespace glm {

// `exif` is an Exif segment's contents, "Exif\0\0" first, or nothing.
std::vector<uint8_t> encode_png(const Image& image, const PictureText& text);
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, std::span<const uint8_t> exif);
std::vector<uint8_t> encode_webp(const Image& image, int quality, std::span<const uint8_t> exif);
std::string about_in_png(std::span<const uint8_t> bytes);
std::vector<uint8_t> exif_in_webp(std::span<const uint8_t> bytes);

}  // namespace glm
