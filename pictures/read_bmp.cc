#include <cstdlib>
#include <memory>

#include "base/refuse.h"
#include "pictures/raster.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 8192
#include <stb/stb_image.h>

namespace glm {
namespace {

// Reads a little-endian number of the header.
uint32_t number(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i > 0; --i) value = value << 8 | bytes[at + i - 1];
  return value;
}

struct Header {
  int64_t width = 0;
  int64_t height = 0;
  int64_t pixels_at = 0;
  int64_t bits = 0;
  uint32_t compression = 0;
  bool is_core = false;  // the first kind of header, of OS/2 and of Windows 2
};

constexpr size_t kFileHeader = 14;
constexpr uint32_t kCoreHeader = 12;
constexpr uint32_t kInfoHeader = 40;
constexpr uint32_t kUncompressed = 0;
constexpr uint32_t kBitFields = 3;

Header read_header(std::span<const uint8_t> bytes) {
  const auto refuse_short = [] {
    refuse(ErrorCode::usage, "BMP", "a header", "too few bytes", "get the picture again");
  };
  if (bytes.size() < kFileHeader + kCoreHeader) refuse_short();
  Header header;
  header.pixels_at = number(bytes, 10, 4);
  if (number(bytes, 14, 4) == kCoreHeader) {
    header.is_core = true;
    header.width = number(bytes, 18, 2);
    header.height = number(bytes, 20, 2);
    header.bits = number(bytes, 24, 2);
    return header;
  }
  if (bytes.size() < kFileHeader + kInfoHeader) refuse_short();
  header.width = static_cast<int32_t>(number(bytes, 18, 4));
  header.height = std::abs(int64_t{static_cast<int32_t>(number(bytes, 22, 4))});  // negative: the top row comes first
  header.bits = number(bytes, 28, 2);
  header.compression = number(bytes, 30, 4);
  return header;
}

std::string compression_name(uint32_t compression) {
  if (compression == 1 || compression == 2) return "compressed ones (RLE)";
  return compression == 4 || compression == 5 ? "a JPEG or PNG inside" : "compression " + std::to_string(compression);
}

}  // namespace

Raster read_bmp(std::span<const uint8_t> bytes) {
  const Header header = read_header(bytes);
  check_picture_size(header.width, header.height);
  // stb_image reads none of RLE, and takes the palette of the oldest header for four colours shorter than it is.
  if (header.compression != kUncompressed && header.compression != kBitFields) {
    refuse(ErrorCode::usage, "BMP", "uncompressed pixels", compression_name(header.compression),
           "open it in another program and save it as PNG");
  }
  if (header.is_core && header.bits < 16) {
    refuse(ErrorCode::usage, "BMP", "a header of Windows before a palette", "one of OS/2",
           "open it in another program and save it as PNG");
  }
  // stb_image takes missing pixels for zeros, so a short file is refused here.
  const int64_t row = (header.width * header.bits + 31) / 32 * 4;
  const auto size = static_cast<int64_t>(bytes.size());
  if (header.pixels_at + row * (header.height - 1) + (header.width * header.bits + 7) / 8 > size) {
    refuse(ErrorCode::usage, "BMP", "a whole file", "one that ends early", "get the picture again");
  }
  int width = 0;
  int height = 0;
  int found = 0;
  const int asked = header.compression == kUncompressed ? 3 : 0;  // the fourth byte has no meaning then
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(size), &width, &height, &found, asked), stbi_image_free);
  const int step = asked == 0 ? found : asked;
  if (pixels == nullptr || width != header.width || height != header.height || step < 3 || step > 4) {
    refuse(ErrorCode::usage, "BMP", "a header of Windows and 1, 4, 8, 16, 24 or 32 bits a pixel", "another kind",
           "open it in another program and save it as PNG");
  }
  Raster raster;
  raster.kind = step == 4 ? Raster::Kind::rgba : Raster::Kind::rgb;
  raster.width = width;
  raster.height = height;
  raster.samples.assign(pixels.get(), pixels.get() + static_cast<int64_t>(width) * height * step);
  return raster;
}

}  // namespace glm
