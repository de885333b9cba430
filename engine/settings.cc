#include "engine/settings.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "engine/picture_raster.h"

namespace glm {
namespace {

constexpr int64_t kCell = 32;  // pixels a side of an image token: two decoder patches of 16 (config.cc checks that)
constexpr int64_t kMinSize = 128;
constexpr int64_t kMaxSize = 2048;
constexpr int64_t kMaxPictures = 1024;
constexpr size_t kMaxReferences = 8;

int64_t next_multiple(int64_t size) {
  return (size + kCell - 1) / kCell * kCell;
}

std::string size_text(int64_t width, int64_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

// The reference's aspect at the default size's area, in whole tokens. Where a side would be too small, the area is
// kept.
std::pair<int64_t, int64_t> size_like(const Image& reference, const PictureDefaults& d) {
  const double area = static_cast<double>(d.width) * static_cast<double>(d.height);
  const double aspect = static_cast<double>(reference.width) / static_cast<double>(reference.height);
  const auto side = [](double pixels) { return std::clamp(std::lround(pixels / kCell) * kCell, kMinSize, kMaxSize); };
  const int64_t width = side(std::sqrt(area * aspect));
  const int64_t height = side(std::sqrt(area / aspect));
  if (width == kMinSize) return {width, side(area / kMinSize)};
  if (height == kMinSize) return {side(area / kMinSize), height};
  return {width, height};
}

void check_references(const std::vector<Image>& references) {
  if (references.size() > kMaxReferences) {
    refuse("references", "at most " + std::to_string(kMaxReferences), std::to_string(references.size()));
  }
  for (const Image& image : references) {
    if (const std::string problem = size_problem(image.width, image.height); !problem.empty()) {
      throw Error(ErrorCode::usage, "reference: " + problem);
    }
    if (image.rgb.size() != static_cast<size_t>(3 * image.width * image.height)) {
      refuse("reference", "3 bytes for each of " + size_text(image.width, image.height) + " pixels",
             std::to_string(image.rgb.size()) + " bytes");
    }
  }
}

}  // namespace

int64_t Settings::rendered_width() const {
  return next_multiple(width);
}
int64_t Settings::rendered_height() const {
  return next_multiple(height);
}
Grid Settings::grid() const {
  return {rendered_height() / kCell, rendered_width() / kCell};
}

void refuse(const std::string& what, const std::string& expected, const std::string& found) {
  throw Error(ErrorCode::usage, what + ": expected " + expected + ", found " + found);
}

Settings settle(const Request& r, const PictureDefaults& d) {
  check_references(r.references);
  auto [width, height] = std::pair{d.width, d.height};
  if (!r.references.empty() && !r.width && !r.height) std::tie(width, height) = size_like(r.references[0], d);
  const Settings s{r.width.value_or(width), r.height.value_or(height), r.steps.value_or(d.steps),
                   r.guidance.value_or(d.guidance)};
  for (const int64_t side : {s.width, s.height}) {
    if (side < kMinSize || side > kMaxSize) {
      refuse("size", "128 to 2048 pixels a side", size_text(s.width, s.height));
    }
  }
  if (s.steps < 1 || s.steps > 1000) refuse("steps", "1 to 1000", std::to_string(s.steps));
  if (!(s.guidance >= 0 && s.guidance <= 1000)) {
    refuse("guidance", "a number from 0 to 1000", std::to_string(s.guidance));
  }
  if (r.seeds.empty() || r.seeds.size() > kMaxPictures) refuse("seeds", "1 to 1024", std::to_string(r.seeds.size()));
  return s;
}

}  // namespace glm
