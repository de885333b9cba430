// Pictures made to hurt, each with what must become of it. They are made when they are needed: none is stored.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace glm::hostile {

struct Picture {
  std::string name;  // letters, digits and _
  std::function<std::string()> make;
  std::string outcome;  // "64x48", or a part of the message that refuses it
};
inline void PrintTo(const Picture& picture, std::ostream* out) {
  *out << picture.name;
}
using Pictures = std::vector<Picture>;

Pictures pngs();
Pictures jpegs();
Pictures webps();
Pictures gifs();
Pictures bmps();
Pictures others();  // what is no picture, and what EXIF and ICC can say

// Numbers as files have them.
inline std::string number(uint64_t value, int size, bool big_endian) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i));
  return bytes;
}
inline std::string be16(uint64_t value) {
  return number(value, 2, true);
}
inline std::string be32(uint64_t value) {
  return number(value, 4, true);
}
inline std::string le16(uint64_t value) {
  return number(value, 2, false);
}
inline std::string le24(uint64_t value) {
  return number(value, 3, false);
}
inline std::string le32(uint64_t value) {
  return number(value, 4, false);
}

// `bytes` with some of them replaced.
inline std::string patched(std::string bytes, size_t at, const std::string& with) {
  return bytes.replace(at, with.size(), with);
}

// Adds `more`, with their kind before their names.
inline void add_all(Pictures* pictures, const std::string& kind, const Pictures& more) {
  for (const Picture& p : more) pictures->push_back({kind + "_" + p.name, p.make, p.outcome});
}

// The picture cut at each sixteenth of its length.
inline void add_cuts(Pictures* pictures, const std::string& kind, const std::function<std::string()>& make,
                     const std::string& outcome) {
  for (size_t k = 1; k < 16; ++k) {
    pictures->push_back({kind + "_cut_at_" + std::to_string(k) + "_16ths",
                         [make, k] { return make().substr(0, make().size() * k / 16); }, outcome});
  }
}

// What EXIF of this orientation looks like.
std::string exif(int orientation);
// A PNG of these samples, whose rows are zero where `samples` is empty; chunks may come before and after its data.
struct Png {
  uint32_t width = 64;
  uint32_t height = 48;
  int bits = 8;
  int colour = 2;
  int interlace = 0;
  std::string before{}, after{};
};
std::string png(const Png& png);
std::string png_chunk(const std::string& name, const std::string& data);
std::string deflated(const std::string& bytes);

}  // namespace glm::hostile
