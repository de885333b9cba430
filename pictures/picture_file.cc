#include "glm/picture_file.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "base/file_kind.h"
#include "base/own_arithmetic.h"
#include "base/read_file.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "pictures/raster.h"

namespace glm {
namespace {

// The largest picture takes this much uncompressed, with 4 channels and some room for its header.
constexpr uint64_t kLargestFile = 4 * uint64_t{kMostPicturePixels} + (uint64_t{16} << 20);

void check_file_size(uint64_t size) {
  if (size <= kLargestFile) return;
  refuse(ErrorCode::usage, "", "a file of at most " + std::to_string(kLargestFile) + " bytes", std::to_string(size),
         "save the picture as PNG or JPEG");
}

[[noreturn]] void refuse_memory() {
  refuse(ErrorCode::memory, "", "memory for a picture", "too little", "take a smaller one");
}

Raster read_raster(std::span<const uint8_t> bytes) {
  check_file_size(bytes.size());
  const std::string_view text = as_text(bytes);
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return read_png(bytes);
  if (text.starts_with("\xff\xd8\xff")) return read_jpeg(bytes);
  if (text.starts_with("RIFF") && text.size() >= 8 && text.substr(8).starts_with("WEBP")) return read_webp(bytes);
  if (text.starts_with("GIF87a") || text.starts_with("GIF89a")) return read_gif(bytes);
  if (text.starts_with("BM")) return read_bmp(bytes);
  const FileKind kind = file_kind(text);
  refuse(ErrorCode::usage, "", "a PNG, JPEG, WebP, BMP or GIF", kind.name.empty() ? "another kind of file" : kind.name,
         kind.advice.empty() ? "open it in another program and save it as PNG or JPEG" : kind.advice);
}

}  // namespace

Image decode_picture(std::span<const uint8_t> bytes) {
  try {
    const OwnArithmetic arithmetic;
    return to_srgb(read_raster(bytes));
  } catch (const std::bad_alloc&) {
    refuse_memory();
  }
}

Image read_picture(const std::filesystem::path& file) {
  const OwnArithmetic arithmetic;
  const FileContents contents = [&] {
    try {
      return read_whole_file(file, kLargestFile);
    } catch (const std::bad_alloc&) {
      refuse_memory();
    }
  }();
  if (contents.problem == FileContents::Problem::missing || contents.problem == FileContents::Problem::unreadable) {
    refuse(ErrorCode::io, file.string(), "a picture to read", "no readable file", "check its name and permissions");
  }
  try {
    check_file_size(contents.size);
    return decode_picture(as_bytes(contents.bytes));
  } catch (const Error& e) {
    throw Error(e.code(), file.string() + ": " + e.what());
  }
}

}  // namespace glm
