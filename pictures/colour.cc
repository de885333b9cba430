#include <lcms2.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "glm/picture_file.h"
#include "pictures/raster.h"

namespace glm {
namespace {

constexpr int64_t kBlockRows = 16;  // converted at a time, and still in the cache when they are put in their places

// Returns a * b / 255 of two bytes, rounded. It is exact.
uint8_t scaled(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

bool has_alpha(Raster::Kind kind) {
  return kind == Raster::Kind::grey_alpha || kind == Raster::Kind::rgba;
}

// Says whether a profile has tags that may hold any number of tables, one after the other: these could take any time.
bool has_free_form(cmsHPROFILE profile) {
  for (const cmsTagSignature tag : {cmsSigDToB0Tag, cmsSigDToB1Tag, cmsSigDToB2Tag, cmsSigDToB3Tag, cmsSigBToD0Tag,
                                    cmsSigBToD1Tag, cmsSigBToD2Tag, cmsSigBToD3Tag}) {
    if (cmsIsTag(profile, tag) != 0) return true;
  }
  return false;
}

// Converts a row of samples to a row of RGB, by the profile or without one.
class Colours {
 public:
  explicit Colours(const Raster& raster)
      : kind_(raster.kind), width_(static_cast<size_t>(raster.width)), alpha_(3 * width_ + 1), opaque_(3 * width_ + 1) {
    if (raster.profile.empty()) return;
    const Profile from(
        cmsOpenProfileFromMem(raster.profile.data(), static_cast<cmsUInt32Number>(raster.profile.size())));
    if (from == nullptr || cmsGetColorSpace(from.get()) != space() || has_free_form(from.get())) return;
    const Profile to(cmsCreate_sRGBProfile());
    // Photo programs use this intent. The perceptual one means different things in different versions of lcms.
    transform_.reset(cmsCreateTransform(from.get(), format(), to.get(), TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC,
                                        cmsFLAGS_BLACKPOINTCOMPENSATION));
  }

  void convert(const uint8_t* from, uint8_t* to) {
    if (!has_alpha(kind_)) return convert_opaque(from, to);
    split(from);
    convert_opaque(opaque_.data(), to);
    for (size_t i = 0; i < 3 * width_; ++i) to[i] = static_cast<uint8_t>(255 - scaled(255 - to[i], alpha_[i]));
  }

 private:
  struct Close {
    void operator()(void* profile) const { cmsCloseProfile(profile); }
  };
  struct Delete {
    void operator()(void* transform) const { cmsDeleteTransform(transform); }
  };
  using Profile = std::unique_ptr<void, Close>;

  cmsColorSpaceSignature space() const {
    if (kind_ == Raster::Kind::inverted_cmyk) return cmsSigCmykData;
    return channels(kind_) < 3 ? cmsSigGrayData : cmsSigRgbData;
  }
  // The format without alpha: lcms takes 6 ns longer for a pixel with a channel that it doesn't need.
  cmsUInt32Number format() const {
    if (kind_ == Raster::Kind::inverted_cmyk) return TYPE_CMYK_8_REV;
    return channels(kind_) < 3 ? TYPE_GRAY_8 : TYPE_RGB_8;
  }

  // Splits a row into samples without alpha, and the alpha value for each of a pixel's three bytes.
  void split(const uint8_t* from) {
    const bool grey = kind_ == Raster::Kind::grey_alpha;
    for (size_t x = 0; x < width_; ++x) {
      const uint32_t alpha = (grey ? from[2 * x + 1] : from[4 * x + 3]) * 0x01010101U;
      std::memcpy(&alpha_[3 * x], &alpha, 4);  // of four bytes, the next pixel overwrites the last
      if (grey) {
        opaque_[x] = from[2 * x];
      } else {
        std::memcpy(&opaque_[3 * x], from + 4 * x, 4);
      }
    }
  }

  void transform(const uint8_t* from, uint8_t* to) const {
    const size_t step = T_CHANNELS(format());
    if (std::memcmp(from, from + step, (width_ - 1) * step) == 0) {  // one colour: a border, or a decompression bomb
      cmsDoTransform(transform_.get(), from, to, 1);
      for (size_t i = 3; i < 3 * width_; ++i) to[i] = to[i - 3];
    } else {
      cmsDoTransform(transform_.get(), from, to, static_cast<cmsUInt32Number>(width_));
    }
  }

  void convert_opaque(const uint8_t* from, uint8_t* to) const {
    if (transform_ != nullptr) return transform(from, to);
    switch (kind_) {
      case Raster::Kind::grey:
      case Raster::Kind::grey_alpha:
        for (size_t x = 0; x < width_; ++x) std::fill_n(to + 3 * x, 3, from[x]);
        return;
      case Raster::Kind::rgb:
      case Raster::Kind::rgba:
        std::copy_n(from, 3 * width_, to);
        return;
      case Raster::Kind::inverted_cmyk:
        for (size_t x = 0; x < width_; ++x) {
          const uint8_t* inks = from + 4 * x;
          for (size_t c = 0; c < 3; ++c) to[3 * x + c] = static_cast<uint8_t>(inks[3] - scaled(255 - inks[c], inks[3]));
        }
        return;
    }
  }

  Raster::Kind kind_;
  size_t width_;
  std::vector<uint8_t> alpha_, opaque_;  // one row of each
  std::unique_ptr<void, Delete> transform_;
};

// Copies `count` RGB pixels. A pixel begins `step` bytes behind the one before it in `from`, and `to_step` in `to`.
void place(const uint8_t* from, ptrdiff_t step, uint8_t* to, ptrdiff_t to_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i, from += step, to += to_step) {
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
  }
}

// Puts rows of a stored picture, `stride` bytes apart, in their places. to: where their first pixel belongs.
void place_block(const uint8_t* block, ptrdiff_t stride, int64_t rows, int64_t width, const Oriented& upright,
                 uint8_t* to) {
  if (upright.across == 1) {
    for (int64_t y = 0; y < rows; ++y) std::copy_n(block + y * stride, width * 3, to + y * upright.down * 3);
  } else if (upright.across == -1) {
    for (int64_t y = 0; y < rows; ++y) place(block + y * stride, 3, to + y * upright.down * 3, -3, width);
  } else {
    for (int64_t x = 0; x < width; ++x) {
      place(block + x * 3, stride, to + x * upright.across * 3, upright.down * 3, rows);
    }
  }
}

}  // namespace

Image to_srgb(Raster raster) {
  const Oriented upright = oriented(raster.width, raster.height, raster.orientation);
  Image image{.width = upright.width, .height = upright.height, .rgb = {}};
  if (raster.kind == Raster::Kind::rgb && raster.profile.empty() && raster.orientation == 1) {
    image.rgb = std::move(raster.samples);
    return image;
  }
  Colours colours(raster);
  const auto size = static_cast<size_t>(raster.width * raster.height * 3);
  // Converts in place where pixels don't get larger and stay where they are, because there may be 100 MB of them.
  const bool in_place = channels(raster.kind) >= 3 && raster.orientation == 1;
  in_place ? image.rgb.swap(raster.samples) : image.rgb.resize(size);
  const uint8_t* samples = in_place ? image.rgb.data() : raster.samples.data();
  // The 64 bytes more make rows begin in different sets of the cache, because place_block() may read columns.
  const ptrdiff_t stride = raster.width * 3 + 64;
  std::vector<uint8_t> block(static_cast<size_t>(kBlockRows * stride));
  for (int64_t top = 0; top < raster.height; top += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, raster.height - top);
    for (int64_t y = 0; y < rows; ++y) {
      colours.convert(samples + (top + y) * raster.width * channels(raster.kind),
                      &block[static_cast<size_t>(y * stride)]);
    }
    place_block(block.data(), stride, rows, raster.width, upright,
                image.rgb.data() + (upright.first + top * upright.down) * 3);
  }
  image.rgb.resize(size);
  return image;
}

}  // namespace glm
