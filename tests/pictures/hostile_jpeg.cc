#include <cstdio>
// needs <cstdio>
#include <jpeglib.h>

#include <cstdlib>

#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

struct Jpeg {
  uint32_t width = 64;
  uint32_t height = 48;
  int components = 3;
  bool progressive = false;
  bool arithmetic = false;
  bool whole_colour = false;  // 4:4:4 instead of 4:2:0
  bool noisy = true;
  int restart = 0;  // interval in rows of blocks
};

std::string jpeg(const Jpeg& j) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = j.width;
  info.image_height = j.height;
  info.input_components = j.components;
  info.in_color_space = j.components == 1 ? JCS_GRAYSCALE : j.components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults(&info);
  info.arith_code = j.arithmetic ? TRUE : FALSE;
  info.restart_in_rows = j.restart;
  if (j.whole_colour) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (j.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<JSAMPLE> row(size_t{j.width} * static_cast<size_t>(j.components), 128);
  uint32_t state = 1;
  while (info.next_scanline < info.image_height) {
    for (JSAMPLE& sample : row) {
      if (j.noisy) sample = static_cast<JSAMPLE>((state = state * 1664525 + 1013904223) >> 24);
    }
    JSAMPROW rows[] = {row.data()};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(out), size);
  std::free(out);
  return bytes;
}

const std::string kEnd = "\xFF\xD9";

size_t marker(const std::string& bytes, char name) {
  return bytes.find({'\xFF', name});
}

std::string segment(char name, const std::string& data) {
  return std::string({'\xFF', name}) + be16(data.size() + 2) + data;
}

std::string with_segments(const std::string& bytes, const std::string& segments) {
  return bytes.substr(0, 2) + segments + bytes.substr(2);
}

// Without the first segment of this name.
std::string without(const std::string& bytes, char name) {
  const size_t at = marker(bytes, name);
  const auto size = static_cast<size_t>(static_cast<uint8_t>(bytes[at + 2]) << 8 | static_cast<uint8_t>(bytes[at + 3]));
  return bytes.substr(0, at) + bytes.substr(at + 2 + size);
}

// The last scan comes `count` times more.
std::string with_more_scans(const std::string& bytes, int count) {
  const std::string scan = bytes.substr(bytes.rfind("\xFF\xDA"), bytes.size() - kEnd.size() - bytes.rfind("\xFF\xDA"));
  std::string out = bytes.substr(0, bytes.size() - kEnd.size());
  for (int i = 0; i < count; ++i) out += scan;
  return out + kEnd;
}

// A frame header's height and width are 3 bytes behind its length.
std::string with_size(const std::string& bytes, uint32_t width, uint32_t height) {
  return patched(bytes, marker(bytes, '\xC0') + 5, be16(height) + be16(width));
}

std::string profile_part(int number, int count, size_t size) {
  return segment('\xE2', std::string("ICC_PROFILE\0", 12) + static_cast<char>(number) + static_cast<char>(count) +
                             std::string(size, 'x'));
}

using Make = std::function<std::string()>;

// A camera's, which are halved until they fit.
Pictures larger_than_the_limit() {
  const auto of = [](uint32_t width, uint32_t height, bool progressive) {
    return [=] { return jpeg({.width = width, .height = height, .progressive = progressive, .noisy = false}); };
  };
  return {{"halved", of(8192, 6144, false), "4096x3072"},
          {"halved_twice", of(16384, 16384, false), "4096x4096"},
          {"halved_three_times", of(65000, 400, false), "8125x50"},
          {"halved_progressive", of(16384, 8192, true), "memory"}};
}

void add_large(Pictures* pictures) {
  const auto add = [&](const std::string& name, const Make& make, const std::string& outcome) {
    pictures->push_back({"jpeg_" + name, make, outcome});
  };
  const Jpeg flat{.width = 8192, .height = 4096, .noisy = false};
  const auto with = [flat](auto change) {
    Jpeg j = flat;
    change(&j);
    return j;
  };
  const Jpeg progressive = with([](Jpeg* j) { j->progressive = true; });
  add(
      "largest", [=] { return jpeg(flat); }, "8192x4096");
  add(
      "largest_progressive", [=] { return jpeg(progressive); }, "8192x4096");
  add(
      "largest_progressive_of_20_scans", [=] { return with_more_scans(jpeg(progressive), 10); }, "8192x4096");
  add(
      "largest_progressive_of_21_scans", [=] { return with_more_scans(jpeg(progressive), 11); }, "scans");
  add(
      "largest_progressive_of_100000_scans",
      [=] {
        return with_more_scans(
            jpeg({.width = 8192, .height = 4096, .components = 1, .progressive = true, .noisy = false}), 100000);
      },
      "scans");
  add(
      "largest_progressive_whole_colour",
      [=] { return jpeg(with([](Jpeg* j) { j->progressive = j->whole_colour = true; })); }, "memory");
  add(
      "largest_progressive_inks",
      [=] { return jpeg(with([](Jpeg* j) { j->progressive = j->whole_colour = true, j->components = 4; })); },
      "memory");
  add(
      "largest_arithmetic", [=] { return jpeg(with([](Jpeg* j) { j->arithmetic = true; })); }, "8192x4096");
  add(
      "largest_inks", [=] { return jpeg(with([](Jpeg* j) { j->components = 4; })); }, "8192x4096");
  add(
      "largest_cut_early", [=] { return jpeg(flat).substr(0, 4000); }, "ends early");
  add(
      "largest_turned",
      [=] { return with_segments(jpeg(flat), segment('\xE1', std::string("Exif\0\0", 6) + exif(8))); }, "4096x8192");
  struct Size {
    const char* name;
    uint32_t width, height;
    const char* outcome;
  };
  for (const Size& s : {Size{"too_wide", 65535, 65535, "65500"}, Size{"too_high", 16, 8193, "16x8193"},
                        Size{"too_many", 16384, 16385, "16384x16385"}, Size{"too_small", 16, 15, "16x15"},
                        Size{"no_width", 0, 48, "JPEG"}, Size{"no_height", 64, 0, "JPEG"},
                        Size{"larger_than_its_data", 8192, 4096, "ends early"}}) {
    add(
        s.name, [s] { return with_size(jpeg({}), s.width, s.height).substr(0, 2000); }, s.outcome);
  }
}

Pictures wrong_ends() {
  return {
      {"trailing_data", [] { return jpeg({}) + std::string(1 << 20, 'x'); }, "64x48"},
      {"trailing_jpeg", [] { return jpeg({}) + jpeg({}); }, "64x48"},
      {"without_its_end", [] { return jpeg({}).substr(0, jpeg({}).size() - 2); }, "ends early"},
      {"two_starts", [] { return "\xFF\xD8" + jpeg({}); }, "JPEG"},
  };
}

Pictures wrong_frames() {
  return {
      {"no_codes", [] { return without(without(without(without(jpeg({}), '\xC4'), '\xC4'), '\xC4'), '\xC4'); },
       "64x48"},
      {"no_quantisation", [] { return without(without(jpeg({}), '\xDB'), '\xDB'); }, "JPEG"},
      {"no_frame", [] { return without(jpeg({}), '\xC0'); }, "JPEG"},
      {"two_frames",
       [] {
         const std::string bytes = jpeg({});
         const size_t frame = marker(bytes, '\xC0');
         return bytes.substr(0, frame) + bytes.substr(frame, 19) + bytes.substr(frame);
       },
       "JPEG"},
      {"lossless", [] { return patched(jpeg({}), marker(jpeg({}), '\xC0'), "\xFF\xC3"); }, "JPEG"},
      {"12_bits", [] { return patched(jpeg({}), marker(jpeg({}), '\xC0') + 4, "\x0C"); }, "JPEG"},
      {"no_sampling",
       [] {
         return patched(jpeg({}), marker(jpeg({}), '\xC0') + 11, {"\0", 1});
       },
       "JPEG"},
      {"sampling_of_15", [] { return patched(jpeg({}), marker(jpeg({}), '\xC0') + 11, "\xFF"); }, "JPEG"},
      {"200_components", [] { return patched(jpeg({}), marker(jpeg({}), '\xC0') + 9, "\xC8"); }, "JPEG"},
      {"bad_codes", [] { return patched(jpeg({}), marker(jpeg({}), '\xC4') + 5, std::string(16, '\xFF')); }, "JPEG"},
      {"scan_of_other_components", [] { return patched(jpeg({}), marker(jpeg({}), '\xDA') + 5, "\x77"); }, "JPEG"},
      {"restarts_out_of_order",
       [] {
         std::string bytes = jpeg({.restart = 1});
         const size_t at = bytes.find("\xFF\xD0");
         return patched(bytes, at + 1, "\xD5");
       },
       "64x48"},
  };
}

Pictures wrong_segments() {
  return {
      {"segment_of_no_length",
       [] {
         return with_segments(jpeg({}), {"\xFF\xE5\0\0", 4});
       },
       "64x48"},
      {"garbage_between_segments",
       [] { return with_segments(jpeg({}), segment('\xE5', "") + std::string(100000, 'x')); }, "64x48"},
      {"fill_bytes", [] { return with_segments(jpeg({}), std::string(1 << 20, '\xFF')); }, "64x48"},
      {"many_segments",
       [] {
         std::string segments;
         for (int i = 0; i < 100; ++i) segments += segment('\xE1', std::string(65000, 'x'));
         return with_segments(jpeg({}), segments);
       },
       "64x48"},
      {"many_empty_segments",
       [] {
         std::string segments;
         for (int i = 0; i < 200000; ++i) segments += segment('\xE1', "");
         return with_segments(jpeg({}), segments);
       },
       "64x48"},
      {"profile_in_wrong_parts",
       [] {
         return with_segments(jpeg({}), profile_part(255, 2, 1000) + profile_part(0, 0, 10) + profile_part(1, 3, 10));
       },
       "64x48"},
      {"profile_in_255_parts",
       [] {
         std::string parts;
         for (int i = 1; i <= 255; ++i) parts += profile_part(i, 255, 65000);
         return with_segments(jpeg({}), parts);
       },
       "64x48"},
  };
}

}  // namespace

Pictures jpegs() {
  Pictures pictures;
  add_cuts(
      &pictures, "jpeg", [] { return jpeg({.width = 256, .height = 256}); }, "");
  add_cuts(
      &pictures, "jpeg_progressive", [] { return jpeg({.width = 256, .height = 256, .progressive = true}); },
      "ends early");
  add_cuts(
      &pictures, "jpeg_arithmetic", [] { return jpeg({.width = 256, .height = 256, .arithmetic = true}); },
      "ends early");
  add_large(&pictures);
  for (const auto& table : {larger_than_the_limit, wrong_ends, wrong_frames, wrong_segments})
    add_all(&pictures, "jpeg", table());
  return pictures;
}

}  // namespace glm::hostile
