// Between the decoders of one format each and the picture that they all become.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "glm/image.h"

namespace glm {

// Samples as a file has them, and what it says about them.
struct Raster {
  enum class Kind { grey, grey_alpha, rgb, rgba, inverted_cmyk };
  Kind kind = Kind::rgb;
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> samples;  // [height][width][channels(kind)]
  std::vector<uint8_t> profile;  // ICC, or empty
  int orientation = 1;           // EXIF's, 1 to 8
};

int64_t channels(Raster::Kind kind);
inline int64_t bytes_of(const Raster& raster) {
  return raster.width * raster.height * channels(raster.kind);
}

// What a decoder may hold with the samples that it writes. Few kinds of file need more, in the largest pictures.
inline constexpr int64_t kMostDecodingBytes = int64_t{240} << 20;

// Refuses a picture whose sides have a problem (picture_size.h): Error(usage).
void check_picture_size(int64_t width, int64_t height);
// Sizes `samples` for kind, width and height, which are checked first.
void allocate(Raster* raster);

// One format each; `bytes` begin with its signature. All throw Error(usage).
Raster read_png(std::span<const uint8_t> bytes);
Raster read_jpeg(std::span<const uint8_t> bytes);
Raster read_webp(std::span<const uint8_t> bytes);  // an animation's first frame, as of a GIF
Raster read_gif(std::span<const uint8_t> bytes);
Raster read_bmp(std::span<const uint8_t> bytes);

// The orientation in a TIFF structure as EXIF carries it, with or without "Exif\0\0" in front; 1 when there is none.
int exif_orientation(std::span<const uint8_t> bytes);

// Where the pixels of a stored picture belong in the one that looks right: indices of pixels, row after row.
struct Turn {
  int64_t width = 0;  // of the one that looks right
  int64_t height = 0;
  int64_t first = 0;   // where the stored picture's first pixel goes
  int64_t across = 1;  // from there to its right neighbour
  int64_t down = 1;    // and to the one below
};
// width, height: of the stored one
Turn turn_of(int64_t width, int64_t height, int orientation);

// sRGB over white, the right way up.
Image to_srgb(Raster raster);

}  // namespace glm
