#include <zlib.h>

#include <stdexcept>

#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

constexpr size_t kHeader = 8 + 8;  // where IHDR's data begins

std::string png_signature() {
  return "\x89PNG\r\n\x1a\n";
}

int channels_of(int colour) {
  return colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1;
}

// Bytes of all rows, each with its filter; an interlaced picture has those of its seven passes.
uint64_t data_size(const Png& p) {
  const auto pass = [&](uint64_t width, uint64_t height) {
    const uint64_t row = (width * static_cast<uint64_t>(p.bits * channels_of(p.colour)) + 7) / 8;
    return width == 0 || height == 0 ? 0 : height * (1 + row);
  };
  if (p.interlace == 0) return pass(p.width, p.height);
  static constexpr int kX[] = {0, 4, 0, 2, 0, 1, 0};
  static constexpr int kY[] = {0, 0, 4, 0, 2, 0, 1};
  static constexpr int kStepX[] = {8, 8, 4, 4, 2, 2, 1};
  static constexpr int kStepY[] = {8, 8, 8, 4, 4, 2, 2};
  uint64_t size = 0;
  for (int i = 0; i < 7; ++i) {
    size += pass((p.width + static_cast<uint32_t>(kStepX[i] - 1 - kX[i])) / static_cast<uint32_t>(kStepX[i]),
                 (p.height + static_cast<uint32_t>(kStepY[i] - 1 - kY[i])) / static_cast<uint32_t>(kStepY[i]));
  }
  return size;
}

// A zlib stream of `size` zeros, without holding them.
std::string deflated_zeros(uint64_t size) {
  z_stream stream{};
  if (deflateInit(&stream, 9) != Z_OK) throw std::runtime_error("deflateInit");
  std::string zeros(1 << 16, '\0');
  std::string out;
  std::string room(1 << 16, '\0');
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    const uint64_t part = std::min<uint64_t>(size, zeros.size());
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(part);
    size -= part;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(room.data());
      stream.avail_out = static_cast<uInt>(room.size());
      status = deflate(&stream, size == 0 ? Z_FINISH : Z_NO_FLUSH);
      out.append(room, 0, room.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return out;
}

std::string header(const Png& p) {
  return png_chunk("IHDR", be32(p.width) + be32(p.height) + static_cast<char>(p.bits) + static_cast<char>(p.colour) +
                               std::string(2, '\0') + static_cast<char>(p.interlace));
}

// The same with what stands for the pixels given.
std::string png_with(const Png& p, const std::string& data) {
  return png_signature() + header(p) + p.before + data + p.after + png_chunk("IEND", "");
}

// Random rows: a file whose length isn't all header.
std::string noisy() {
  std::string rows;
  uint32_t state = 1;
  for (int y = 0; y < 48; ++y) {
    rows += '\0';
    for (int i = 0; i < 64 * 3; ++i) rows += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  }
  return png_with({}, png_chunk("IDAT", deflated(rows)));
}

std::string with_bad_sum(const std::string& chunk) {
  return patched(chunk, chunk.size() - 1, {char(~chunk.back())});
}

std::string many(int count, const std::string& what) {
  std::string all;
  for (int i = 0; i < count; ++i) all += what;
  return all;
}

std::string text_bomb(const std::string& name, const std::string& before) {
  return png_chunk(name, before + deflated_zeros(uint64_t{1} << 28));
}

std::string animation() {
  const std::string control = png_chunk("acTL", be32(1000) + be32(0));
  const std::string frame = be32(64) + be32(48) + be32(0) + be32(0) + be16(1) + be16(10) + std::string(2, '\0');
  std::string frames;
  for (uint64_t i = 1; i < 1000; ++i) {
    frames += png_chunk("fcTL", be32(2 * i - 1) + frame) + png_chunk("fdAT", be32(2 * i) + deflated_zeros(48 * 193));
  }
  return png({.before = control + png_chunk("fcTL", be32(0) + frame), .after = frames});
}

void add_sizes(Pictures* pictures) {
  struct Size {
    const char* name;
    uint32_t width, height;
    const char* outcome;
  };
  for (const Size& s : {Size{"too_wide", 8193, 16, "8193x16"}, Size{"too_high", 16, 8193, "16x8193"},
                        Size{"too_many", 8192, 4097, "8192x4097"}, Size{"too_small", 15, 16, "15x16"},
                        Size{"largest_sides", 0x7FFFFFFF, 0x7FFFFFFF, "2147483647x2147483647"},
                        Size{"beyond_31_bits", 0x80000000, 64, "PNG"}, Size{"all_bits", 0xFFFFFFFF, 0xFFFFFFFF, "PNG"},
                        Size{"no_width", 0, 64, "PNG"}, Size{"no_height", 64, 0, "PNG"}}) {
    // Data for 64x48 only: who believed the header would have to allocate first.
    pictures->push_back(
        {std::string("png_") + s.name,
         [s] { return png_with({.width = s.width, .height = s.height}, png_chunk("IDAT", deflated_zeros(48 * 193))); },
         s.outcome});
  }
}

void add_bombs(Pictures* pictures) {
  const auto add = [&](const std::string& name, const Png& p) {
    pictures->push_back(
        {"png_bomb_" + name, [p] { return png(p); }, std::to_string(p.width) + "x" + std::to_string(p.height)});
  };
  add("rgb", {.width = 8192, .height = 4096});
  add("rgb_interlaced", {.width = 8192, .height = 4096, .interlace = 1});
  add("rgba", {.width = 4096, .height = 8192, .colour = 6});
  add("rgba_16_bits", {.width = 8192, .height = 2048, .bits = 16, .colour = 6});
  add("grey_bits", {.width = 8192, .height = 4096, .bits = 1, .colour = 0});
  add("narrow", {.width = 16, .height = 8192, .colour = 6});
  add("turned", {.width = 4096, .height = 8192, .before = png_chunk("eXIf", exif(1))});
}

std::string idat(uint64_t size) {
  return png_chunk("IDAT", deflated_zeros(size));
}

Pictures wrong_sums() {
  return {
      {"bad_sum_of_header",
       [] {
         return patched(noisy(), kHeader + 13, {"\0\0\0\0", 4});
       },
       "PNG"},
      {"bad_sum_of_pixels", [] { return png_with({}, with_bad_sum(idat(48 * 193))); }, "PNG"},
      {"bad_sum_of_palette",
       [] { return png_with({.colour = 3, .before = with_bad_sum(png_chunk("PLTE", "abc"))}, idat(48 * 65)); }, "PNG"},
      {"bad_sum_of_text",
       [] {
         return png({.before = with_bad_sum(png_chunk("tEXt", {"a\0b", 3}))});
       },
       "64x48"},
  };
}

Pictures wrong_pixels() {
  return {
      {"no_pixels", [] { return png_with({}, ""); }, "PNG"},
      {"empty_pixels", [] { return png_with({}, png_chunk("IDAT", "")); }, "PNG"},
      {"too_few_pixels", [] { return png_with({}, idat(47 * 193)); }, "PNG"},
      {"too_many_pixels", [] { return png_with({}, idat(1 << 20)); }, "64x48"},
      {"far_too_many_pixels", [] { return png_with({}, idat(1 << 30)); }, "PNG"},
      {"pixels_in_many_chunks",
       [] {
         std::string chunks;
         for (const char byte : deflated_zeros(48 * 193)) chunks += png_chunk("IDAT", {byte}) + png_chunk("IDAT", "");
         return png_with({}, chunks);
       },
       "64x48"},
      {"empty_pixel_chunks", [] { return png_with({}, many(200000, png_chunk("IDAT", "")) + idat(48 * 193)); },
       "64x48"},
      {"no_such_filter",
       [] { return png_with({}, png_chunk("IDAT", deflated(many(48, std::string(1, 7) + std::string(192, '\0'))))); },
       "PNG"},
      {"no_zlib", [] { return png_with({}, png_chunk("IDAT", std::string(5000, 'x'))); }, "PNG"},
  };
}

Pictures wrong_palettes() {
  return {
      {"no_palette", [] { return png_with({.colour = 3}, idat(48 * 65)); }, "PNG"},
      {"odd_palette", [] { return png_with({.colour = 3, .before = png_chunk("PLTE", "abcd")}, idat(48 * 65)); },
       "PNG"},
      {"index_behind_palette",
       [] {
         std::string rows;
         for (int y = 0; y < 48; ++y) rows += std::string(1, '\0') + std::string(64, '\xFF');
         return png_with({.colour = 3, .before = png_chunk("PLTE", "abc")}, png_chunk("IDAT", deflated(rows)));
       },
       "64x48"},
      {"more_alpha_than_palette",
       [] {
         return png_with({.colour = 3, .before = png_chunk("PLTE", "abc") + png_chunk("tRNS", "12345")}, idat(48 * 65));
       },
       "64x48"},
  };
}

Pictures wrong_headers() {
  return {
      {"two_headers", [] { return png({.before = header({.width = 8192, .height = 4096})}); }, "PNG"},
      {"unknown_critical_chunk", [] { return png({.before = png_chunk("ABCD", "xyz")}); }, "PNG"},
      {"no_such_bits", [] { return png_with({.bits = 3}, idat(48 * 193)); }, "PNG"},
      {"no_such_colour", [] { return png_with({.colour = 5}, idat(48 * 193)); }, "PNG"},
      {"no_such_interlace", [] { return png_with({.interlace = 2}, idat(48 * 193)); }, "PNG"},
      {"chunk_of_all_lengths", [] { return patched(noisy(), 33, be32(0xFFFFFFFF)); }, "PNG"},
      {"chunk_of_2_gigabytes", [] { return patched(noisy(), 33, be32(0x7FFFFFFF)); }, "PNG"},
  };
}

Pictures around_the_pixels() {
  return {
      {"text_bomb",
       [] {
         return png({.before = text_bomb("zTXt", {"a\0\0", 3})});
       },
       "64x48"},
      {"text_bombs_behind",
       [] {
         return png({.after = many(20, text_bomb("iTXt", {"a\0\1\0\0\0", 6}))});
       },
       "64x48"},
      {"profile_bomb",
       [] {
         return png({.before = text_bomb("iCCP", {"a\0\0", 3})});
       },
       "64x48"},
      {"many_texts",
       [] {
         return png({.before = many(100000, png_chunk("tEXt", {"a\0b", 3}))});
       },
       "64x48"},
      {"many_unknown_chunks", [] { return png({.before = many(100000, png_chunk("abCd", "xyz"))}); }, "64x48"},
      {"many_suggested_palettes",
       [] { return png({.before = many(20000, png_chunk("sPLT", std::string("a\0\x08", 3) + std::string(60, 'x')))}); },
       "64x48"},
      {"animation", animation, "64x48"},
      {"trailing_data", [] { return noisy() + std::string(1 << 20, 'x'); }, "64x48"},
      {"trailing_png", [] { return noisy() + png({.width = 8192, .height = 8192}); }, "64x48"},
  };
}

}  // namespace

std::string png_chunk(const std::string& name, const std::string& data) {
  const std::string body = name + data;
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return be32(data.size()) + body + be32(sum);
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(size);
  return out;
}

std::string png(const Png& p) {
  return png_with(p, png_chunk("IDAT", deflated_zeros(data_size(p))));
}

Pictures pngs() {
  Pictures pictures;
  add_cuts(&pictures, "png", noisy, "ends early");
  add_sizes(&pictures);
  add_bombs(&pictures);
  for (const auto& table : {wrong_sums, wrong_pixels, wrong_palettes, wrong_headers, around_the_pixels}) {
    add_all(&pictures, "png", table());
  }
  return pictures;
}

}  // namespace glm::hostile
