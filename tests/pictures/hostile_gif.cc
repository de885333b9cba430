#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

constexpr int kClear = 256;
constexpr int kEnd = 257;

// Codes of 9 to 12 bits, as LZW packs them, in blocks of at most 255 bytes.
class Codes {
 public:
  void put(int code) {
    bits_ |= static_cast<uint64_t>(code) << held_;
    for (held_ += width_; held_ >= 8; held_ -= 8, bits_ >>= 8) bytes_ += static_cast<char>(bits_);
    if (code == kClear) {
      width_ = 9;
      next_ = kEnd + 1;
    } else if (next_ <= 4096 && ++next_ > 1 << width_ && width_ < 12) {
      ++width_;
    }
  }
  std::string blocks() {
    if (held_ > 0) bytes_ += static_cast<char>(bits_);
    std::string blocks;
    for (size_t at = 0; at < bytes_.size(); at += 255) {
      const std::string block = bytes_.substr(at, 255);
      blocks += static_cast<char>(block.size()) + block;
    }
    return blocks + '\0';
  }

 private:
  uint64_t bits_ = 0;
  int held_ = 0;
  int width_ = 9;
  int next_ = kEnd + 1;
  std::string bytes_;
};

// `count` pixels of colour 0: each code is one pixel longer than the one before, up to the longest there is.
std::string flat_codes(int64_t count) {
  Codes codes;
  codes.put(kClear);
  codes.put(0);
  --count;
  for (int code = kEnd + 1; count > 0; code = std::min(code + 1, 4095)) {
    codes.put(code);
    count -= code - kEnd + 1;
  }
  codes.put(kEnd);
  return codes.blocks();
}

std::string noisy_codes(int count) {
  Codes codes;
  uint32_t state = 1;
  for (int i = 0; i < count; ++i) {
    if (i % 200 == 0) codes.put(kClear);
    codes.put(static_cast<int>((state = state * 1664525 + 1013904223) >> 24));
  }
  codes.put(kEnd);
  return codes.blocks();
}

struct Gif {
  uint32_t width = 64;
  uint32_t height = 48;
  uint32_t left = 0;
  uint32_t top = 0;
  uint32_t frame_width = 0;  // 0: the screen's
  uint32_t frame_height = 0;
  bool palette = true;
  bool interlaced = false;
  std::string before{};
  int code_size = 8;
};

std::string screen(const Gif& g) {
  return std::string("GIF89a") + le16(g.width) + le16(g.height) + (g.palette ? "\xF7" : "\x70") + std::string(2, '\0') +
         (g.palette ? std::string(768, '\x40') : "");
}
std::string frame(const Gif& g, const std::string& codes) {
  return std::string("\x2C") + le16(g.left) + le16(g.top) + le16(g.frame_width == 0 ? g.width : g.frame_width) +
         le16(g.frame_height == 0 ? g.height : g.frame_height) + std::string(1, g.interlaced ? '\x40' : '\0') +
         static_cast<char>(g.code_size) + codes;
}
std::string gif(const Gif& g, const std::string& codes) {
  return screen(g) + g.before + frame(g, codes) + ";";
}

std::string repeated(const std::string& what, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += what;
  return all;
}

const std::string kComment =
    "\x21\xFE\x03"
    "abc" +
    std::string(1, '\0');

void add_bombs(Pictures* pictures) {
  const auto add = [&](const std::string& name, const Gif& g, const std::string& outcome) {
    pictures->push_back({"gif_" + name, [g] { return gif(g, flat_codes(int64_t{g.width} * g.height)); }, outcome});
  };
  add("bomb", {.width = 8192, .height = 4096}, "8192x4096");
  add("bomb_interlaced", {.width = 4096, .height = 8192, .interlaced = true}, "4096x8192");
  add("too_wide", {.width = 8193, .height = 16}, "8193x16");
  add("too_many", {.width = 8192, .height = 4097}, "8192x4097");
  add("too_small", {.width = 15, .height = 16}, "15x16");
  pictures->push_back(
      {"gif_largest_screen", [] { return gif({.width = 65535, .height = 65535}, flat_codes(100)); }, "65535x65535"});
  pictures->push_back({"gif_no_screen", [] { return gif({.width = 0, .height = 0}, flat_codes(100)); }, "0x0"});
  pictures->push_back({"gif_frame_larger_than_screen",
                       [] { return gif({.frame_width = 65535, .frame_height = 65535}, flat_codes(3072)); },
                       "65535x65535"});
  pictures->push_back(
      {"gif_frame_outside_screen",
       [] { return gif({.left = 65535, .top = 65535, .frame_width = 64, .frame_height = 48}, flat_codes(3072)); },
       "65599x65583"});
  // Behind the last pixel, each code stands for thousands: who goes on reading them takes long.
  pictures->push_back({"gif_long_codes_behind_the_end",
                       [] { return gif({.width = 16, .height = 16}, flat_codes(int64_t{3} << 30)); }, "16x16"});
}

Pictures wrong_pixels() {
  return {
      {"too_few_pixels", [] { return gif({}, noisy_codes(64 * 47)); }, "GIF"},
      {"no_pixels", [] { return gif({}, std::string(1, '\0')); }, "GIF"},
      {"no_palette", [] { return gif({.palette = false}, noisy_codes(64 * 48)); }, "GIF"},
      {"no_frame", [] { return screen({}) + ";"; }, "GIF"},
      {"frame_of_no_pixels",
       [] {
         return screen({}) + "\x2C" + std::string(8, '\0') + std::string(1, '\0') + "\x08" + noisy_codes(10) + ";";
       },
       "64x48"},
      {"codes_before_they_exist",
       [] {
         Codes codes;
         for (int i = 0; i < 3000; ++i) codes.put(i == 0 ? kClear : 500);
         return gif({}, codes.blocks());
       },
       "GIF"},
      {"clears_without_end",
       [] {
         Codes codes;
         for (int i = 0; i < 8000000; ++i) codes.put(kClear);
         for (int i = 0; i < 64 * 48; ++i) codes.put(i % 200 == 0 ? kClear : 0);
         return gif({.height = 32}, codes.blocks());
       },
       "GIF"},
  };
}

Pictures wrong_blocks() {
  return {
      {"many_comments", [] { return gif({.before = repeated(kComment, 200000)}, noisy_codes(3072)); }, "64x48"},
      {"comment_without_end",
       [] {
         return screen({}) + "\x21\xFE" +
                repeated(
                    "\x03"
                    "abc",
                    200000);
       },
       "GIF"},
      {"short_graphics_block", [] { return gif({.before = std::string("\x21\xF9\x01\x01\0", 5)}, noisy_codes(3072)); },
       "64x48"},
      {"animation", [] { return screen({}) + repeated(frame({}, noisy_codes(3072)), 1000) + ";"; }, "64x48"},
      {"unknown_record", [] { return screen({}) + "\x77" + frame({}, noisy_codes(3072)); }, "GIF"},
      {"trailing_data", [] { return gif({}, noisy_codes(3072)) + std::string(1 << 20, 'x'); }, "64x48"},
  };
}

}  // namespace

Pictures gifs() {
  Pictures pictures;
  add_cuts(
      &pictures, "gif", [] { return gif({}, noisy_codes(64 * 48)); }, "GIF");
  add_bombs(&pictures);
  add_all(&pictures, "gif", wrong_pixels());
  add_all(&pictures, "gif", wrong_blocks());
  for (const int size : {0, 1, 9, 12, 255}) {
    pictures.push_back({"gif_code_size_" + std::to_string(size),
                        [size] { return gif({.code_size = size}, noisy_codes(3072)); }, "GIF"});
  }
  return pictures;
}

}  // namespace glm::hostile
