#include <algorithm>

#include "engine/picture_raster.h"

namespace glm {
namespace {

// Reads numbers of a TIFF structure; what lies outside reads as 0.
struct Tiff {
  std::span<const uint8_t> bytes;
  bool big_endian = false;

  uint32_t number(uint64_t at, uint64_t size) const {
    if (at + size > bytes.size()) return 0;
    uint32_t value = 0;
    for (uint64_t i = 0; i < size; ++i) value = value << 8 | bytes[at + (big_endian ? i : size - 1 - i)];
    return value;
  }
};

constexpr uint8_t kName[] = {'E', 'x', 'i', 'f', 0, 0};
constexpr uint32_t kOrientation = 0x0112;
constexpr uint32_t kShort = 3;
constexpr int64_t kTile = 32;  // of pixels: neighbours of a picture and of the turned one stay in the cache

}  // namespace

int exif_orientation(std::span<const uint8_t> bytes) {
  if (bytes.size() > sizeof kName && std::equal(std::begin(kName), std::end(kName), bytes.begin())) {
    bytes = bytes.subspan(sizeof kName);
  }
  if (bytes.size() < 8 || bytes[0] != bytes[1] || (bytes[0] != 'M' && bytes[0] != 'I')) return 1;
  const Tiff tiff{.bytes = bytes, .big_endian = bytes[0] == 'M'};
  const uint64_t directory = tiff.number(4, 4);
  const uint32_t entries = tiff.number(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + 12 * i;
    if (tiff.number(entry, 2) != kOrientation || tiff.number(entry + 2, 2) != kShort) continue;
    const uint32_t orientation = tiff.number(entry + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

Image turned(Image image, int orientation) {
  if (orientation == 1) return image;
  // Where the result's pixel (x, y) is in the stored picture: first 5 to 8 swap the axes, then each axis may be
  // mirrored.
  const bool swaps = orientation >= 5;
  const bool mirrors_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrors_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result{.width = swaps ? image.height : image.width, .height = swaps ? image.width : image.height, .rgb = {}};
  result.rgb.resize(image.rgb.size());
  const auto copy_tile = [&](int64_t left, int64_t top) {
    for (int64_t y = top; y < std::min(top + kTile, result.height); ++y) {
      for (int64_t x = left; x < std::min(left + kTile, result.width); ++x) {
        const int64_t stored_x = swaps ? y : x;
        const int64_t stored_y = swaps ? x : y;
        const int64_t from_x = mirrors_x ? image.width - 1 - stored_x : stored_x;
        const int64_t from_y = mirrors_y ? image.height - 1 - stored_y : stored_y;
        const uint8_t* from = &image.rgb[static_cast<size_t>((from_y * image.width + from_x) * 3)];
        std::copy_n(from, 3, &result.rgb[static_cast<size_t>((y * result.width + x) * 3)]);
      }
    }
  };
  for (int64_t top = 0; top < result.height; top += kTile) {
    for (int64_t left = 0; left < result.width; left += kTile) copy_tile(left, top);
  }
  return result;
}

}  // namespace glm
