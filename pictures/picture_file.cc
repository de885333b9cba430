#include "glm/picture_file.h"

#include <algorithm>
#include <fstream>
#include <new>
#include <string_view>

#include "glm/error.h"
#include "pictures/raster.h"

namespace glm {
namespace {

// A picture of the most pixels takes this much uncompressed, with 4 channels and some room for its header.
constexpr uintmax_t kLargestFile = 4 * uintmax_t{kMostPicturePixels} + (uintmax_t{16} << 20);

bool begins(std::span<const uint8_t> bytes, std::string_view signature) {
  if (bytes.size() < signature.size()) return false;
  return std::equal(signature.begin(), signature.end(), bytes.begin(),
                    [](char c, uint8_t byte) { return static_cast<uint8_t>(c) == byte; });
}

void check_file_size(uintmax_t size) {
  if (size <= kLargestFile) return;
  refuse_picture("expected a file of at most " + std::to_string(kLargestFile) + " bytes, found " +
                 std::to_string(size) + "; save the picture as PNG or JPEG");
}

Raster read_raster(std::span<const uint8_t> bytes) {
  check_file_size(bytes.size());
  if (begins(bytes, "\x89PNG\r\n\x1a\n")) return read_png(bytes);
  if (begins(bytes, "\xff\xd8\xff")) return read_jpeg(bytes);
  if (begins(bytes, "RIFF") && bytes.size() >= 8 && begins(bytes.subspan(8), "WEBP")) return read_webp(bytes);
  if (begins(bytes, "GIF87a") || begins(bytes, "GIF89a")) return read_gif(bytes);
  if (begins(bytes, "BM")) return read_bmp(bytes);
  refuse_picture("expected a PNG, JPEG, WebP, BMP or GIF, found another kind of file; save the picture as PNG");
}

}  // namespace

Image decode_picture(std::span<const uint8_t> bytes) {
  try {
    return to_srgb(read_raster(bytes));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::memory, "expected memory for a picture, found too little; take a smaller one");
  }
}

Image read_picture(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);  // an error for what is no regular file
  std::ifstream in;
  if (!error) in.open(file, std::ios::binary);  // a pipe would be waited for
  if (error || !in) {
    throw Error(ErrorCode::io,
                file.string() + ": expected a picture to read, found no readable file; check its name and rights");
  }
  try {
    check_file_size(size);
    std::vector<uint8_t> bytes(static_cast<size_t>(size));
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (in.gcount() != static_cast<std::streamsize>(bytes.size())) {
      throw Error(ErrorCode::io, "can't be read to its end; check the disk");
    }
    return decode_picture(bytes);
  } catch (const Error& e) {
    throw Error(e.code(), file.string() + ": " + e.what());
  }
}

}  // namespace glm
