#include <webp/encode.h>

#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

std::string chunk(const std::string& name, const std::string& data) {
  return name + le32(data.size()) + data + std::string(data.size() % 2, '\0');
}
std::string riff(const std::string& chunks) {
  return "RIFF" + le32(chunks.size() + 4) + "WEBP" + chunks;
}

// Every pixel is the one symbol of each of five codes: no bits at all for the pixels.
std::string flat_lossless(uint32_t width, uint32_t height, bool alpha) {
  std::string bits;
  const auto put = [&](uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bits += static_cast<char>(value >> i & 1);
  };
  put(0x2F, 8);
  put(width - 1, 14);
  put(height - 1, 14);
  put(alpha ? 1 : 0, 1);
  put(0, 3);                                            // version
  put(0, 3);                                            // no transform, no colour cache, no groups of codes
  for (int code = 0; code < 5; ++code) put(0b0001, 4);  // a simple code of one symbol of one bit: 0
  std::string bytes(bits.size() / 8 + 9, '\0');
  for (size_t i = 0; i < bits.size(); ++i) bytes[i / 8] = static_cast<char>(bytes[i / 8] | bits[i] << i % 8);
  return chunk("VP8L", bytes);
}

std::string encoded(int width, int height, bool lossless, bool noisy) {
  std::vector<uint8_t> rgb(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, 90);
  uint32_t state = 1;
  for (uint8_t& sample : rgb) {
    if (noisy) sample = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  }
  uint8_t* out = nullptr;
  const size_t size = lossless ? WebPEncodeLosslessRGB(rgb.data(), width, height, width * 3, &out)
                               : WebPEncodeRGB(rgb.data(), width, height, width * 3, 50, &out);
  std::string bytes(reinterpret_cast<char*>(out), size);
  WebPFree(out);
  return bytes;
}

std::string extended(int flags, uint32_t width, uint32_t height) {
  return chunk("VP8X", le32(static_cast<uint64_t>(flags)) + le24(width - 1) + le24(height - 1));
}

std::string frame(uint32_t x, uint32_t y, uint32_t width, uint32_t height, const std::string& data) {
  return chunk(
      "ANMF", le24(x / 2) + le24(y / 2) + le24(width - 1) + le24(height - 1) + le24(100) + std::string(1, '\0') + data);
}

std::string animation(uint32_t width, uint32_t height, const std::string& frames) {
  return riff(extended(2, width, height) + chunk("ANIM", le32(0) + le16(0)) + frames);
}

std::string many_frames(int count) {
  std::string frames;
  for (int i = 0; i < count; ++i) frames += frame(0, 0, 64, 48, flat_lossless(64, 48, false));
  return animation(64, 48, frames);
}

Pictures sizes() {
  return {
      {"bomb_lossless", [] { return riff(flat_lossless(8192, 4096, false)); }, "8192x4096"},
      {"bomb_lossless_alpha", [] { return riff(flat_lossless(8192, 4096, true)); }, "memory"},
      {"bomb_lossless_high", [] { return riff(flat_lossless(4096, 8192, false)); }, "4096x8192"},
      {"bomb_lossy", [] { return encoded(8192, 4096, false, false); }, "8192x4096"},
      {"too_wide", [] { return riff(flat_lossless(16384, 16384, false)); }, "16384x16384"},
      {"too_high", [] { return riff(flat_lossless(16, 8193, false)); }, "16x8193"},
      {"too_many", [] { return riff(flat_lossless(8192, 4097, false)); }, "8192x4097"},
      {"too_small", [] { return riff(flat_lossless(15, 16, false)); }, "15x16"},
  };
}

Pictures canvases() {
  return {
      {"canvas_of_all_bits", [] { return riff(extended(0, 1 << 24, 1 << 24) + flat_lossless(64, 48, false)); }, "WebP"},
      {"canvas_larger_than_picture", [] { return riff(extended(0, 8192, 4096) + flat_lossless(64, 48, false)); },
       "WebP"},
      {"canvas_smaller_than_picture", [] { return riff(extended(0, 64, 48) + flat_lossless(8192, 4096, false)); },
       "WebP"},
      {"no_picture", [] { return riff(extended(0, 64, 48)); }, "WebP"},
      {"empty_picture", [] { return riff(chunk("VP8L", "")); }, "WebP"},
  };
}

Pictures wrong_bytes() {
  return {
      {"garbage_lossless", [] { return riff(patched(flat_lossless(64, 48, false), 13, std::string(10, '\xA5'))); },
       "WebP"},
      {"garbage_lossy",
       [] {
         std::string bytes = encoded(64, 48, false, true);
         return patched(bytes, 30, std::string(bytes.size() - 30, '\xA5'));
       },
       "WebP"},
      {"size_of_all_bits", [] { return patched(encoded(64, 48, true, true), 4, le32(0xFFFFFFFF)); }, "WebP"},
      {"size_of_nothing", [] { return patched(encoded(64, 48, true, true), 4, le32(0)); }, "WebP"},
      {"chunk_of_all_bits", [] { return patched(encoded(64, 48, true, true), 16, le32(0xFFFFFFFF)); }, "WebP"},
      {"trailing_data", [] { return encoded(64, 48, true, true) + std::string(1 << 20, 'x'); }, "64x48"},
      {"many_unknown_chunks",
       [] {
         std::string chunks;
         for (int i = 0; i < 100000; ++i) chunks += chunk("abcd", "");
         return riff(extended(0, 64, 48) + chunks + flat_lossless(64, 48, false));
       },
       "64x48"},
      {"garbage_profile",
       [] {
         return riff(extended(0x20, 64, 48) + chunk("ICCP", std::string(5000, 'x')) + flat_lossless(64, 48, false));
       },
       "64x48"},
      {"turned", [] { return riff(extended(8, 64, 48) + flat_lossless(64, 48, false) + chunk("EXIF", exif(6))); },
       "48x64"},
  };
}

Pictures frames() {
  return {
      {"many_frames", [] { return many_frames(20000); }, "64x48"},
      {"frame_outside", [] { return animation(64, 48, frame(2, 2, 64, 48, flat_lossless(64, 48, false))); }, "WebP"},
      {"frame_of_another_size", [] { return animation(64, 48, frame(0, 0, 32, 32, flat_lossless(64, 48, false))); },
       "64x48"},
      {"frame_far_outside",
       [] { return animation(64, 48, frame(0xFFFFFE, 0xFFFFFE, 64, 48, flat_lossless(64, 48, false))); }, "WebP"},
      {"no_frames", [] { return animation(64, 48, ""); }, "WebP"},
      {"small_frame_on_largest_canvas",
       [] { return animation(8192, 4096, frame(0, 0, 16, 16, flat_lossless(16, 16, false))); }, "8192x4096"},
  };
}

}  // namespace

Pictures webps() {
  Pictures pictures;
  add_cuts(
      &pictures, "webp_lossless", [] { return encoded(64, 48, true, true); }, "WebP");
  add_cuts(
      &pictures, "webp_lossy", [] { return encoded(64, 48, false, true); }, "WebP");
  for (const auto& table : {sizes, canvases, wrong_bytes, frames}) add_all(&pictures, "webp", table());
  return pictures;
}

}  // namespace glm::hostile
