#include <lcms2.h>

#include <memory>
#include <type_traits>

#include "engine/picture_file.h"
#include "engine/picture_raster.h"

namespace glm {
namespace {

// a * b / 255 rounded, of bytes: exact.
uint8_t scaled(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

// From a row of samples to a row of RGB, by the profile or without one.
class Colours {
 public:
  explicit Colours(const Raster& raster) : kind_(raster.kind) {
    if (raster.profile.empty()) return;
    const Profile from(
        cmsOpenProfileFromMem(raster.profile.data(), static_cast<cmsUInt32Number>(raster.profile.size())));
    if (from == nullptr || cmsGetColorSpace(from.get()) != space()) return;
    const Profile to(cmsCreate_sRGBProfile());
    // As photo programs do it. The perceptual intent means different things in different versions of lcms.
    transform_.reset(cmsCreateTransform(from.get(), format(), to.get(), TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC,
                                        cmsFLAGS_BLACKPOINTCOMPENSATION));
  }

  void convert(const uint8_t* from, uint8_t* to, int64_t width) const {
    if (transform_ != nullptr) {
      cmsDoTransform(transform_.get(), from, to, static_cast<cmsUInt32Number>(width));
      return;
    }
    const int64_t step = channels(kind_);
    for (int64_t x = 0; x < width; ++x, from += step, to += 3) {
      for (int c = 0; c < 3; ++c) {
        if (kind_ == Raster::Kind::inverted_cmyk) {
          to[c] = static_cast<uint8_t>(from[3] - scaled(255 - from[c], from[3]));
        } else {
          to[c] = from[step < 3 ? 0 : c];
        }
      }
    }
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
  cmsUInt32Number format() const {
    switch (kind_) {
      case Raster::Kind::grey:
        return TYPE_GRAY_8;
      case Raster::Kind::grey_alpha:
        return TYPE_GRAYA_8;
      case Raster::Kind::rgb:
        return TYPE_RGB_8;
      case Raster::Kind::rgba:
        return TYPE_RGBA_8;
      case Raster::Kind::inverted_cmyk:
        return TYPE_CMYK_8_REV;
    }
    return 0;
  }

  Raster::Kind kind_;
  std::unique_ptr<void, Delete> transform_;
};

void lay_over_white(const uint8_t* samples, int64_t step, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    const int alpha = samples[x * step + step - 1];
    for (int c = 0; c < 3; ++c) rgb[x * 3 + c] = static_cast<uint8_t>(255 - scaled(255 - rgb[x * 3 + c], alpha));
  }
}

}  // namespace

int64_t channels(Raster::Kind kind) {
  switch (kind) {
    case Raster::Kind::grey:
      return 1;
    case Raster::Kind::grey_alpha:
      return 2;
    case Raster::Kind::rgb:
      return 3;
    default:
      return 4;
  }
}

Image to_srgb(Raster raster) {
  Image image{.width = raster.width, .height = raster.height, .rgb = {}};
  if (raster.kind == Raster::Kind::rgb && raster.profile.empty()) {
    image.rgb = std::move(raster.samples);
    return image;
  }
  image.rgb.resize(static_cast<size_t>(raster.width * raster.height * 3));
  const Colours colours(raster);
  const int64_t step = channels(raster.kind);
  const bool alpha = raster.kind == Raster::Kind::grey_alpha || raster.kind == Raster::Kind::rgba;
  for (int64_t y = 0; y < raster.height; ++y) {
    const uint8_t* from = &raster.samples[static_cast<size_t>(y * raster.width * step)];
    uint8_t* to = &image.rgb[static_cast<size_t>(y * raster.width * 3)];
    colours.convert(from, to, raster.width);
    if (alpha) lay_over_white(from, step, to, raster.width);
  }
  return image;
}

}  // namespace glm
