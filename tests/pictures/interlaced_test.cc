// Interlaced PNGs, as libpng writes them, are the pictures that they are without it.
#include <gtest/gtest.h>
#include <png.h>

#include "glm/picture_file.h"

namespace glm {
namespace {

constexpr png_uint_32 kWidth = 45, kHeight = 37;  // no multiples of 8: some passes are narrower

std::vector<uint8_t> png(int colour, int bits, int interlace) {
  std::vector<uint8_t> file;
  png_structp writer = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(writer);
  png_set_write_fn(
      writer, &file,
      [](png_structp self, png_bytep bytes, size_t size) {
        auto* to = static_cast<std::vector<uint8_t>*>(png_get_io_ptr(self));
        to->insert(to->end(), bytes, bytes + size);
      },
      nullptr);
  png_set_IHDR(writer, info, kWidth, kHeight, bits, colour, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer, info);
  const int passes = png_set_interlace_handling(writer);
  std::vector<uint8_t> row(png_get_rowbytes(writer, info));
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t y = 0; y < kHeight; ++y) {
      for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<uint8_t>((y * row.size() + i) * 2654435761U >> 13);
      png_write_row(writer, row.data());
    }
  }
  png_write_end(writer, info);
  png_destroy_write_struct(&writer, &info);
  return file;
}

TEST(Interlaced, IsThePictureThatItIsWithoutIt) {
  for (const int colour :
       {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA}) {
    for (const int bits : {1, 8, 16}) {
      if (bits == 1 && colour != PNG_COLOR_TYPE_GRAY) continue;
      const Image plain = decode_picture(png(colour, bits, PNG_INTERLACE_NONE));
      const Image interlaced = decode_picture(png(colour, bits, PNG_INTERLACE_ADAM7));
      EXPECT_EQ(plain.rgb, interlaced.rgb) << "colour type " << colour << ", " << bits << " bits";
    }
  }
}

}  // namespace
}  // namespace glm
