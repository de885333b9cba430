#include <lcms2.h>

#include <algorithm>
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

// `convert` makes RGB of each pixel's `step` samples.
template <int step, typename Convert>
void each(int64_t width, const uint8_t* from, uint8_t* to, const Convert& convert) {
  for (int64_t x = 0; x < width; ++x) convert(from + x * step, to + x * 3);
}
constexpr auto kGrey = [](const uint8_t* from, uint8_t* to) { to[0] = to[1] = to[2] = from[0]; };
constexpr auto kSame = [](const uint8_t* from, uint8_t* to) {
  for (int c = 0; c < 3; ++c) to[c] = from[c];
};
constexpr auto kInks = [](const uint8_t* from, uint8_t* to) {
  for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(from[3] - scaled(255 - from[c], from[3]));
};

// Tags that may hold any number of tables one after the other, which would take as long as they want.
bool has_free_form(cmsHPROFILE profile) {
  for (const cmsTagSignature tag : {cmsSigDToB0Tag, cmsSigDToB1Tag, cmsSigDToB2Tag, cmsSigDToB3Tag, cmsSigBToD0Tag,
                                    cmsSigBToD1Tag, cmsSigBToD2Tag, cmsSigBToD3Tag}) {
    if (cmsIsTag(profile, tag) != 0) return true;
  }
  return false;
}

// From a row of samples to a row of RGB, by the profile or without one.
class Colours {
 public:
  explicit Colours(const Raster& raster) : kind_(raster.kind) {
    if (raster.profile.empty()) return;
    const Profile from(
        cmsOpenProfileFromMem(raster.profile.data(), static_cast<cmsUInt32Number>(raster.profile.size())));
    if (from == nullptr || cmsGetColorSpace(from.get()) != space() || has_free_form(from.get())) return;
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
    switch (kind_) {
      case Raster::Kind::grey:
        return each<1>(width, from, to, kGrey);
      case Raster::Kind::grey_alpha:
        return each<2>(width, from, to, kGrey);
      case Raster::Kind::rgb:
        return each<3>(width, from, to, kSame);
      case Raster::Kind::rgba:
        return each<4>(width, from, to, kSame);
      case Raster::Kind::inverted_cmyk:
        return each<4>(width, from, to, kInks);
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

// The last of each pixel's `step` samples is its alpha.
template <int step>
void lay_over_white(const uint8_t* samples, uint8_t* rgb, int64_t width) {
  each<step>(width, samples, rgb, [](const uint8_t* from, uint8_t* to) {
    for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(255 - scaled(255 - to[c], from[step - 1]));
  });
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
  const Colours colours(raster);
  const auto size = static_cast<size_t>(raster.width * raster.height * 3);
  const auto row = static_cast<size_t>(raster.width * channels(raster.kind));
  // In place where a pixel becomes no longer: there may be 100 MB of it.
  const bool in_place = channels(raster.kind) >= 3;
  in_place ? image.rgb.swap(raster.samples) : image.rgb.resize(size);
  const std::vector<uint8_t>& samples = in_place ? image.rgb : raster.samples;
  std::vector<uint8_t> from(row);
  for (int64_t y = 0; y < raster.height; ++y) {
    std::copy_n(&samples[static_cast<size_t>(y) * row], row, from.begin());
    uint8_t* to = &image.rgb[static_cast<size_t>(y * raster.width * 3)];
    colours.convert(from.data(), to, raster.width);
    if (raster.kind == Raster::Kind::grey_alpha) lay_over_white<2>(from.data(), to, raster.width);
    if (raster.kind == Raster::Kind::rgba) lay_over_white<4>(from.data(), to, raster.width);
  }
  image.rgb.resize(size);
  return image;
}

}  // namespace glm
