// Makes PNG, JPEG and WebP files of pictures, with metadata of how they were made, and reads these metadata.
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

// How a picture was made. A PNG holds both texts, as iTXt chunks. JPEG and WebP hold `about` alone, as EXIF
// UserComment.
struct PictureText {
  std::string about;       // JSON in ASCII; PNG's keyword "glm-image"
  std::string parameters;  // UTF-8, as other programs write and read it; PNG's keyword "parameters"
};

// The most bytes of `about` that JPEG and WebP hold: all EXIF data together has 64 KiB.
inline constexpr size_t kMostExifText = 65000;

// Returns the bytes of a picture's file. Sides are 1 to 16383 pixels; quality is 1 to 100, and PNG makes no use of it.
// Throws Error(usage) for a picture, a quality or a text that the format can't hold, and Error(memory). Thread safe.
GLM_API std::vector<uint8_t> encode_picture(const Image& image, PictureFormat format, int quality,
                                            const PictureText& text);

// Writes a PNG without metadata, whole or not at all. A file that exists is replaced, and the new one has its owner and
// permissions. Links are followed. A device, a pipe, and a file that can't be replaced (a mount of its own, or one in a
// closed folder) are written in place; there an error may leave a part. Throws Error(io) naming the file, and what
// encode_picture() throws. Sends no SIGXFSZ or SIGPIPE to the process. Thread safe.
GLM_API void write_png(const std::filesystem::path& file, const Image& image);

// Returns the `about` of a PNG, JPEG or WebP file. It is empty when the bytes are broken, have no such text, or are of
// another kind. Throws Error(memory). Thread safe.
GLM_API std::string read_about(std::span<const uint8_t> bytes);

}  // namespace glm
