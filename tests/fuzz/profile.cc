// An ICC profile, for pixels of each kind.
#include "engine/picture_raster.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Kind = glm::Raster::Kind;
  for (const Kind kind : {Kind::grey, Kind::grey_alpha, Kind::rgb, Kind::rgba, Kind::inverted_cmyk}) {
    glm::Raster raster;
    raster.kind = kind;
    raster.width = 16;
    raster.height = 16;
    raster.profile.assign(data, data + size);
    glm::allocate(&raster);
    for (size_t i = 0; i < raster.samples.size(); ++i) raster.samples[i] = static_cast<uint8_t>(i * 37);
    if (glm::to_srgb(std::move(raster)).rgb.size() != 16 * 16 * 3) __builtin_trap();
  }
  return 0;
}
