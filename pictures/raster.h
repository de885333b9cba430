// The picture readers, one for each format, and the code that makes an sRGB picture of what they return.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "glm/image.h"

namespace glm {

// The samples as the file has them, and what it says about them.
struct Raster {
  enum class Kind { grey, grey_alpha, rgb, rgba, inverted_cmyk };
  Kind kind = Kind::rgb;
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> samples;  // [height][width][channels(kind)]
  std::vector<uint8_t> profile;  // ICC, or empty
  int orientation = 1;           // EXIF's or XMP's, 1 to 8
};

int64_t channels(Raster::Kind kind);
inline int64_t byte_count(const Raster& raster) {
  return raster.width * raster.height * channels(raster.kind);
}

// The bytes that a picture reader may hold, together with the samples that it writes. Only a few kinds of files need
// more, and only for the largest pictures.
inline constexpr int64_t kMostDecodingBytes = int64_t{240} << 20;

// Refuses a picture whose sides have a problem (picture_size.h): Error(usage).
void check_picture_size(int64_t width, int64_t height);
// Checks width and height, then makes room in `samples` for them and kind.
void allocate(Raster* raster);

// The picture readers. `bytes` begin with the format's signature. They throw Error(usage) for a file that can't be
// read, and std::bad_alloc.
Raster read_png(std::span<const uint8_t> bytes);
Raster read_jpeg(std::span<const uint8_t> bytes);
Raster read_webp(std::span<const uint8_t> bytes);  // of an animation the first frame, here and in a GIF
Raster read_gif(std::span<const uint8_t> bytes);
Raster read_bmp(std::span<const uint8_t> bytes);

// Returns the orientation, 1 to 8. EXIF data come first; where they have none, XMP says it. It is 1 where neither does.
// exif: with or without "Exif\0\0" in front. Upstream: PIL's Image.getexif and ImageOps.exif_transpose
int orientation_of(std::span<const uint8_t> exif, std::string_view xmp);

// Where a stored picture's pixels belong in the upright one. Places are indices of pixels, row after row.
struct Oriented {
  int64_t width = 0;  // of the upright picture
  int64_t height = 0;
  int64_t first = 0;   // place of the stored picture's first pixel
  int64_t across = 1;  // step to the place of a stored pixel's right neighbour
  int64_t down = 1;    // step to the place of the one below it
};
// width, height: of the stored picture
Oriented oriented(int64_t width, int64_t height, int orientation);

// Returns the upright picture in sRGB, with transparent parts over white.
Image to_srgb(Raster raster);

}  // namespace glm
