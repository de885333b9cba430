#include <algorithm>
#include <bit>

#include "base/text.h"
#include "pictures/raster.h"

namespace glm {
namespace {

// Reads the numbers of a TIFF structure. A number outside the bytes reads as 0.
struct Tiff {
  std::span<const uint8_t> bytes;
  bool big_endian = false;

  uint64_t number(uint64_t at, uint64_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    uint64_t value = 0;
    for (uint64_t i = 0; i < size; ++i) value = value << 8 | bytes[at + (big_endian ? i : size - 1 - i)];
    return value;
  }
};

constexpr uint8_t kName[] = {'E', 'x', 'i', 'f', 0, 0};
constexpr uint64_t kOrientation = 0x0112;

// TIFF's types of values.
enum Type : uint64_t {
  kByte = 1,
  kText = 2,
  kShort = 3,
  kLong = 4,
  kRational = 5,
  kSignedByte = 6,
  kUndefined = 7,
  kSignedShort = 8,
  kSignedLong = 9,
  kSignedRational = 10,
  kFloat = 11,
  kDouble = 12,
  kDirectory = 13,
  kLong8 = 16,
};

bool is_number(uint64_t type) {
  return type >= kShort && type <= kLong8 && type != kUndefined;
}

// Returns a value's size in bytes, or 0 for an unknown type.
uint64_t size_of(uint64_t type) {
  switch (type) {
    case kByte:
    case kText:
    case kUndefined:
    case kSignedByte:
      return 1;
    case kShort:
    case kSignedShort:
      return 2;
    case kLong:
    case kSignedLong:
    case kFloat:
    case kDirectory:
      return 4;
    case kRational:
    case kSignedRational:
    case kDouble:
    case kLong8:
      return 8;
    default:
      return 0;
  }
}

// Returns the number of this type at this place. A negative one isn't told from a large one, because neither is an
// orientation.
double number_of(const Tiff& tiff, uint64_t at, uint64_t type) {
  const uint64_t bits = tiff.number(at, size_of(type));
  if (type == kFloat) return double{std::bit_cast<float>(static_cast<uint32_t>(bits))};
  if (type == kDouble) return std::bit_cast<double>(bits);
  if (type != kRational && type != kSignedRational) return static_cast<double>(bits);
  const auto part = [&](uint64_t from) {
    const auto value = static_cast<uint32_t>(tiff.number(from, 4));
    return type == kRational ? static_cast<double>(value) : static_cast<double>(static_cast<int32_t>(value));
  };
  return part(at) / part(at + 4);
}

// Returns how many bytes the value of an entry has, or 0 for an unknown type.
uint64_t value_size(const Tiff& tiff, uint64_t entry) {
  return tiff.number(entry + 4, 4) * size_of(tiff.number(entry + 2, 2));
}

// Says whether the directory has an orientation, as PIL reads it: it stops at an entry that is cut or whose value lies
// outside the data, and passes over those that say they have more bytes than the data.
bool find_in_directory(const Tiff& tiff, int* orientation) {
  const uint64_t all = tiff.bytes.size();
  const uint64_t directory = tiff.number(4, 4);
  const uint64_t entries = tiff.number(directory, 2);
  uint64_t claimed = 0;
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + 12 * i;
    if (entry + 12 > all) return false;
    const uint64_t size = value_size(tiff, entry);
    const bool inside = size <= 4;  // values of up to 4 bytes stand in the entry
    const uint64_t at = inside ? entry + 8 : tiff.number(entry + 8, 4);
    if (!inside) claimed += size;
    if (!inside && claimed > all) continue;
    if (at > all || size > all - at) return false;
    if (tiff.number(entry, 2) != kOrientation || size == 0) continue;
    const uint64_t type = tiff.number(entry + 2, 2);
    const double value = is_number(type) ? number_of(tiff, at, type) : 0;  // PIL takes no bytes and no text for numbers
    for (int known = 2; known <= 8; ++known) {
      if (value == known) *orientation = known;
    }
    return true;
  }
  return false;
}

// Says whether the EXIF data decide the orientation. *orientation becomes theirs, or stays where it is none of the
// eight.
bool find_in_exif(std::span<const uint8_t> bytes, int* orientation) {
  for (int i = 0; i < 2; ++i) {  // some programs write the name twice
    if (bytes.size() >= sizeof kName && std::equal(std::begin(kName), std::end(kName), bytes.begin())) {
      bytes = bytes.subspan(sizeof kName);
    }
  }
  if (bytes.empty()) return false;
  // PIL gives up where the data are no TIFF, and doesn't look at XMP any more.
  const auto begins = [&](std::string_view with) { return as_text(bytes).starts_with(with); };
  const bool big_endian = begins({"MM\0*", 4}) || begins({"MM*\0", 4});
  const bool is_tiff = big_endian || begins({"II*\0", 4}) || begins({"II\0*", 4});
  if (!is_tiff || bytes.size() < 8) return true;
  return find_in_directory({.bytes = bytes, .big_endian = big_endian}, orientation);
}

// Returns the orientation that XMP has as an attribute or as an element, or 1.
int find_in_xmp(std::string_view xmp) {
  constexpr std::string_view name = "tiff:Orientation";
  for (size_t at = xmp.find(name); at != std::string_view::npos; at = xmp.find(name, at + 1)) {
    std::string_view rest = xmp.substr(at + name.size());
    if (!rest.starts_with("=\"") && !rest.starts_with('>')) continue;
    rest.remove_prefix(rest.front() == '>' ? 1 : 2);
    if (rest.empty() || rest.front() < '0' || rest.front() > '9') continue;
    const int value = rest.front() - '0';
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace

int orientation_of(std::span<const uint8_t> exif, std::string_view xmp) {
  int orientation = 1;
  return find_in_exif(exif, &orientation) ? orientation : find_in_xmp(xmp);
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
