// Writes pictures, with one function for each format, and reads the metadata of such files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "glm/encode.h"

namespace glm {

// These return a file's bytes. The caller has checked the picture and the quality. exif: "Exif\0\0" and the EXIF data,
// or nothing. They throw std::bad_alloc, and Error(internal) when the library fails.
std::vector<uint8_t> encode_png(const Image& image, const PictureText& text);
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, std::span<const uint8_t> exif);
std::vector<uint8_t> encode_webp(const Image& image, int quality, std::span<const uint8_t> exif);
// Return a file's `about`, and its EXIF data with "Exif\0\0" in front, or nothing.
std::string about_in_png(std::span<const uint8_t> bytes);
std::vector<uint8_t> exif_in_jpeg(std::span<const uint8_t> bytes);
std::vector<uint8_t> exif_in_webp(std::span<const uint8_t> bytes);

}  // namespace glm
