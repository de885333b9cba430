#include <algorithm>

#include "pictures/raster.h"

namespace glm {
namespace {

// Reads the numbers of a TIFF structure. A number outside the bytes reads as 0.
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

Oriented oriented(int64_t width, int64_t height, int orientation) {
  // The orientations 5 to 8 swap the axes. After that each axis may be mirrored.
  const bool swaps = orientation >= 5;
  const bool mirrors_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrors_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Oriented upright{.width = swaps ? height : width, .height = swaps ? width : height};
  upright.across = swaps ? upright.width : 1;
  upright.down = swaps ? 1 : upright.width;
  if (mirrors_x) upright.first += (width - 1) * upright.across;
  if (mirrors_y) upright.first += (height - 1) * upright.down;
  if (mirrors_x) upright.across = -upright.across;
  if (mirrors_y) upright.down = -upright.down;
  return upright;
}

}  // namespace glm
