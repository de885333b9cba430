// Pictures within tasks: in base64 or as data URIs in, in all forms out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "glm/encode.h"
#include "glm/image.h"

namespace glm::tasks {

// Returns the bytes of a text in base64, or of a data URI that holds base64. Throws Error(usage) for anything else.
std::vector<uint8_t> bytes_of_text(const std::string& text);

// Returns the picture, shrunk so that no side is longer than `longest`. The aspect stays.
Image shrunk(const Image& image, int64_t longest);

PictureFormat format_of(const std::string& name);  // of outputFormat, in upper or lower case
std::string extension_of(PictureFormat format);    // "jpg", "png", "webp"
std::string media_type(PictureFormat format);      // "image/jpeg" and so on
std::string data_uri(PictureFormat format, std::span<const uint8_t> bytes);

// "file:///home/me/a%20b.png"
std::string file_url(const std::filesystem::path& file);

}  // namespace glm::tasks
