#include "tests/pictures/hostile.h"

namespace glm::hostile {
namespace {

std::string icc_png(const std::string& profile) {
  return png({.before = png_chunk("iCCP", std::string("a\0\0", 3) + deflated(profile))});
}

// A profile's header and table of tags, whose data is `data`.
std::string profile(const std::string& space, const std::string& tags, const std::string& data, uint32_t count) {
  const std::string table = be32(count) + tags;
  const uint64_t size = 128 + table.size() + data.size();
  std::string head = be32(size) + std::string(4, '\0') + be32(0x02400000) + "mntr" + space + "XYZ " +
                     std::string(12, '\0') + "acsp" + std::string(28, '\0') + be32(0xF6D6) + be32(0x10000) +
                     be32(0xD32D);
  head.resize(128);
  return head + table + data;
}

std::string table_of_many_points() {
  const std::string lut = "mft2" + std::string(4, '\0') + std::string("\x03\x03\xFF\0", 4) + std::string(36, '\0') +
                          be16(2) + be16(2) + std::string(1000, '\x55');
  return profile("RGB ", "A2B0" + be32(144) + be32(lut.size()), lut, 1);
}

// A table of 9 points an axis from pixels to Lab, which has to be interpolated for each pixel.
std::string table_profile(const std::string& space, int inputs) {
  std::string table;
  size_t points = 3;
  for (int i = 0; i < inputs; ++i) points *= 9;
  for (size_t i = 0; i < points; ++i) table += be16(i * 40503 % 65536);
  const std::string ramp = be16(0) + be16(65535);
  std::string ramps;
  for (int i = 0; i < inputs + 3; ++i) ramps += ramp;
  const std::string lut = "mft2" + std::string(4, '\0') + static_cast<char>(inputs) + std::string("\x03\x09\0", 3) +
                          std::string(36, '\0') + be16(2) + be16(2) + ramps.substr(0, static_cast<size_t>(inputs) * 4) +
                          table + ramps.substr(0, 12);
  return patched(profile(space, "A2B0" + be32(144) + be32(lut.size()), lut, 1), 20, "Lab ");
}

// Elements one after the other, as many as there are bytes for.
std::string profile_of_many_elements() {
  constexpr uint32_t kElements = 20000;
  const std::string matrix = "matf" + std::string(4, '\0') + be16(3) + be16(3) + std::string(48, '\x3F');
  std::string mpet = "mpet" + std::string(4, '\0') + be16(3) + be16(3) + be32(kElements);
  std::string body;
  for (uint32_t i = 0; i < kElements; ++i) mpet += be32(16 + kElements * 8) + be32(matrix.size());
  mpet += matrix;
  return profile("RGB ", "D2B1" + be32(144) + be32(mpet.size()), mpet, 1);
}

std::string orientations_without_end() {
  std::string entries;
  for (int i = 0; i < 65535; ++i) entries += le16(0x0112) + le16(4) + le32(1) + le32(6);
  return "II" + le16(42) + le32(8) + le16(65535) + entries;
}

Pictures no_pictures() {
  return {
      {"empty", [] { return std::string(); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"one_byte", [] { return std::string("B"); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"text", [] { return std::string("a picture of a cat"); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"zeros", [] { return std::string(1 << 20, '\0'); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"tiff", [] { return "II*" + std::string(1000, '\0'); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"svg", [] { return std::string("<svg width='100' height='100'/>"); }, "PNG, JPEG, WebP, BMP or GIF"},
      {"avif",
       [] {
         return std::string(
             "\0\0\0\x20"
             "ftypavif\0\0\0\0",
             16);
       },
       "PNG, JPEG, WebP, BMP or GIF"},
      {"riff_of_sound", [] { return "RIFF" + le32(36) + "WAVEfmt " + std::string(28, '\0'); },
       "PNG, JPEG, WebP, BMP or GIF"},
  };
}

Pictures wrong_exif() {
  return {
      {"exif_largest_turned", [] { return png({.width = 8192, .height = 4096, .before = png_chunk("eXIf", exif(6))}); },
       "4096x8192"},
      {"exif_directory_outside",
       [] { return png({.before = png_chunk("eXIf", patched(exif(6), 4, le32(0xFFFFFFFF)))}); }, "64x48"},
      {"exif_directory_at_its_end",
       [] { return png({.before = png_chunk("eXIf", patched(exif(6), 4, le32(exif(6).size() - 1)))}); }, "64x48"},
      {"exif_more_entries_than_bytes",
       [] { return png({.before = png_chunk("eXIf", patched(exif(1), 8, le16(65535)))}); }, "64x48"},
      {"exif_without_end", [] { return png({.before = png_chunk("eXIf", orientations_without_end())}); }, "48x64"},
      {"exif_behind_a_long_text",
       [] {
         return png({.after = png_chunk("tEXt", std::string("a\0", 2) + std::string(1 << 20, 'x')) +
                              png_chunk("eXIf", exif(6))});
       },
       "48x64"},
      {"exif_cut", [] { return png({.before = png_chunk("eXIf", exif(6).substr(0, 17))}); }, "64x48"},
  };
}

// Slow to read: a table and a turn.
std::string slowest(int bits, int colour, int interlace, uint32_t height = 4096) {
  return png({.width = 8192,
              .height = height,
              .bits = bits,
              .colour = colour,
              .interlace = interlace,
              .before = png_chunk("iCCP", std::string("a\0\0", 3) + deflated(table_profile("RGB ", 3))) +
                        png_chunk("eXIf", exif(6))});
}

Pictures profiles() {
  return {
      {"icc_garbage", [] { return icc_png(std::string(3000, 'x')); }, "64x48"},
      {"icc_tag_outside", [] { return icc_png(profile("RGB ", "A2B0" + be32(0xFFFFFFF0) + be32(0x7FFFFFFF), "", 1)); },
       "64x48"},
      {"icc_many_tags", [] { return icc_png(profile("RGB ", "", std::string(12000, 'z'), 0xFFFFFFFF)); }, "64x48"},
      {"icc_of_255_points_an_axis", [] { return icc_png(table_of_many_points()); }, "64x48"},
      {"icc_table_turned", [] { return slowest(8, 2, 0); }, "4096x8192"},
      // 134 MB to inflate, in seven passes, a table and a turn.
      {"icc_table_turned_alpha_interlaced", [] { return slowest(8, 6, 1); }, "4096x8192"},
      {"icc_table_turned_16_bits_alpha_interlaced", [] { return slowest(16, 6, 1, 2048); }, "2048x8192"},
      {"of_268_megabytes", [] { return slowest(16, 6, 1); }, "8 bits"},
      {"icc_of_many_elements", [] { return icc_png(profile_of_many_elements()); }, "64x48"},
      {"icc_no_tags", [] { return icc_png(profile("RGB ", "", "", 0)); }, "64x48"},
      {"icc_of_other_space", [] { return icc_png(profile("CMYK", "", "", 0)); }, "64x48"},
  };
}

}  // namespace

std::string exif(int orientation) {
  return "II" + le16(42) + le32(8) + le16(1) + le16(0x0112) + le16(3) + le32(1) +
         le32(static_cast<uint64_t>(orientation)) + le32(0);
}

Pictures others() {
  Pictures pictures = no_pictures();
  for (const int i : {1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 255, 65535}) {
    pictures.push_back({"exif_" + std::to_string(i), [i] { return png({.before = png_chunk("eXIf", exif(i))}); },
                        i >= 5 && i <= 8 ? "48x64" : "64x48"});
  }
  for (const auto& table : {wrong_exif, profiles}) {
    for (const Picture& p : table()) pictures.push_back(p);
  }
  return pictures;
}

}  // namespace glm::hostile
