#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

struct Bmp {
  uint32_t width = 64;
  uint32_t height = 48;
  uint64_t bits = 24;
  uint32_t compression = 0;
  uint32_t header = 40;
  uint32_t pixels_at = 54;
  uint32_t colours = 0;
  std::string behind_header{};
  uint64_t pixels = 64 * 48 * 3;  // bytes
};

std::string bmp(const Bmp& b) {
  return "BM" + le32(54 + b.pixels) + le32(0) + le32(b.pixels_at) + le32(b.header) + le32(b.width) + le32(b.height) +
         le16(1) + le16(b.bits) + le32(b.compression) + le32(0) + le32(0) + le32(0) + le32(b.colours) + le32(0) +
         b.behind_header + std::string(b.pixels, '\x5A');
}

}  // namespace

Pictures bmps() {
  Pictures pictures;
  add_cuts(
      &pictures, "bmp", [] { return bmp({}); }, "BMP");
  const auto add = [&](const std::string& name, const Bmp& b, const std::string& outcome) {
    pictures.push_back({"bmp_" + name, [b] { return bmp(b); }, outcome});
  };
  add("too_wide", {.width = 8193, .height = 16}, "8193x16");
  add("too_many", {.width = 8192, .height = 4097}, "8192x4097");
  add("largest_sides", {.width = 0x7FFFFFFF, .height = 0x7FFFFFFF}, "2147483647x2147483647");
  add("negative_width", {.width = 0xFFFFFFC0}, "-64x48");
  add("lowest_height", {.height = 0x80000000}, "64x2147483648");
  add("no_width", {.width = 0}, "0x48");
  add("no_height", {.height = 0}, "64x0");
  add("larger_than_its_data", {.width = 8192, .height = 4096}, "ends early");
  add("bomb_of_bits",
      {.width = 8192,
       .height = 4096,
       .bits = 1,
       .pixels_at = 62,
       .colours = 2,
       .behind_header = std::string(8, 'x'),
       .pixels = 4 << 20},
      "8192x4096");
  add("no_bits", {.bits = 0}, "BMP");
  add("2_bits", {.bits = 2}, "BMP");
  add("64_bits", {.bits = 64, .pixels = 64 * 48 * 8}, "BMP");
  add("65535_bits", {.bits = 65535}, "BMP");
  add("runs", {.bits = 8, .compression = 1}, "RLE");
  add("jpeg_inside", {.compression = 4}, "a JPEG or PNG inside");
  add("unknown_compression", {.compression = 0xFFFFFFFF}, "compression 4294967295");
  add("header_of_no_size", {.header = 0}, "BMP");
  add("header_of_all_sizes", {.header = 0xFFFFFFFF}, "BMP");
  add("pixels_in_header", {.pixels_at = 4}, "BMP");
  add("pixels_behind_end", {.pixels_at = 0xFFFFFFFF}, "ends early");
  add("palette_of_all_sizes", {.bits = 8, .colours = 0xFFFFFFFF}, "BMP");
  add("index_behind_palette", {.bits = 8, .pixels_at = 58, .colours = 1, .behind_header = "abcd"}, "64x48");
  add("no_masks",
      {.bits = 32, .compression = 3, .pixels_at = 66, .behind_header = std::string(12, '\0'), .pixels = 64 * 48 * 4},
      "BMP");
  add("trailing_data", {.pixels = 1 << 20}, "64x48");
  return pictures;
}

}  // namespace glm::hostile
