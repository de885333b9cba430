// An ICC profile, for pixels of a kind: its last byte's.
#include <iterator>
#include <utility>

#include "pictures/raster.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Kind = glm::Raster::Kind;
  constexpr Kind kKinds[] = {Kind::grey, Kind::grey_alpha, Kind::rgb, Kind::rgba, Kind::inverted_cmyk};
  constexpr size_t kSide = 16;
  glm::Raster raster;
  raster.kind = kKinds[size == 0 ? 0 : data[size - 1] % std::size(kKinds)];
  raster.width = kSide;
  raster.height = kSide;
  raster.profile.assign(data, data + size);
  glm::allocate(&raster);
  for (size_t i = 0; i < raster.samples.size(); ++i) raster.samples[i] = static_cast<uint8_t>(i * 37);
  if (glm::to_srgb(std::move(raster)).rgb.size() != kSide * kSide * 3) __builtin_trap();
  return 0;
}
