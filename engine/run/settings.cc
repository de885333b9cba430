#include "engine/run/settings.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/limits.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "pictures/picture_size.h"
#include "tokenizer/glyph_text.h"
#include "tokenizer/utf8.h"

namespace glm {
namespace {

// Returns the width and height of this aspect at the default size's area, in whole tokens. When a side would be too
// small, it gets the least size, and the other side follows from the area.
std::pair<int64_t, int64_t> size_of_aspect(double aspect, const ModelConfig& c) {
  const PictureDefaults& d = c.picture;
  const double area = static_cast<double>(d.width) * static_cast<double>(d.height);
  const int64_t cell = c.cell();
  const auto side = [&](double pixels) {
    return std::clamp(std::lround(pixels / static_cast<double>(cell)) * cell, limits::kMinSide, limits::kMaxSide);
  };
  const int64_t width = side(std::sqrt(area * aspect));
  const int64_t height = side(std::sqrt(area / aspect));
  if (width == limits::kMinSide) return {width, side(area / limits::kMinSide)};
  if (height == limits::kMinSide) return {side(area / limits::kMinSide), height};
  return {width, height};
}

void check_references(const std::vector<Image>& references) {
  if (references.size() > limits::kMaxReferences) {
    refuse("references", "at most " + std::to_string(limits::kMaxReferences), std::to_string(references.size()));
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

Settings settle(const Request& r, const ModelConfig& config) {
  const PictureDefaults& d = config.picture;
  const GenerationConfig& g = config.generation;
  check_references(r.references);
  auto [width, height] = std::pair{d.width, d.height};
  if (r.aspect) {
    if (r.width || r.height) refuse("aspect", "neither width nor height beside it", "at least one of them");
    if (!(*r.aspect >= 1 / limits::kMaxAspect && *r.aspect <= limits::kMaxAspect))
      refuse("aspect", "1/16 to 16", number_text(*r.aspect));
    std::tie(width, height) = size_of_aspect(*r.aspect, config);
  } else if (!r.references.empty() && !r.width && !r.height) {
    const Image& first = r.references[0];
    std::tie(width, height) =
        size_of_aspect(static_cast<double>(first.width) / static_cast<double>(first.height), config);
  }
  Settings s{r.width.value_or(width),
             r.height.value_or(height),
             r.steps.value_or(d.steps),
             r.guidance.value_or(d.guidance),
             r.temperature.value_or(g.temperature),
             r.top_p.value_or(g.top_p),
             r.top_k.value_or(g.top_k),
             {}};
  for (const int64_t side : {s.width, s.height}) {
    if (side < limits::kMinSide || side > limits::kMaxSide) {
      refuse("size", "128 to 2048 pixels a side", size_text(s.width, s.height));
    }
  }
  if (s.steps < 1 || s.steps > limits::kMaxSteps) refuse("steps", "1 to 1000", std::to_string(s.steps));
  if (!(s.guidance >= 0 && s.guidance <= limits::kMaxGuidance)) {
    refuse("guidance", "a number from 0 to 1000", number_text(s.guidance));
  }
  if (!(s.temperature >= limits::kMinTemperature && s.temperature <= limits::kMaxTemperature)) {
    refuse("temperature", "a number from 0.000001 to 1000000", number_text(s.temperature));
  }
  if (!(s.top_p >= 0 && s.top_p <= 1)) refuse("top_p", "a number from 0 to 1", number_text(s.top_p));
  if (s.top_k < 0 || s.top_k > limits::kMaxTopK)
    refuse("top_k", "0 to " + std::to_string(limits::kMaxTopK), std::to_string(s.top_k));
  if (r.rng != Rng::cuda && r.rng != Rng::cpu) refuse("rng", "cuda or cpu", std::to_string(static_cast<int>(r.rng)));
  if (repair_utf8(r.prompt) != r.prompt) refuse("prompt", "a text in UTF-8", "bytes of another encoding");
  for (const std::string& text : r.texts) {
    if (repair_utf8(text) != text) refuse("texts", "texts in UTF-8", "bytes of another encoding");
  }
  if (r.seeds.empty() || r.seeds.size() > limits::kMaxPictures)
    refuse("seeds", "1 to 1024", std::to_string(r.seeds.size()));
  const auto tokens = [&](int64_t pixels) { return (pixels + config.cell() - 1) / config.cell(); };
  s.geometry = config.geometry({tokens(s.height), tokens(s.width)});
  return s;
}

Details details_of(const Settings& s, const ModelConfig& config) {
  return {.width = s.width,
          .height = s.height,
          .rendered_width = s.geometry.width,
          .rendered_height = s.geometry.height,
          .steps = s.steps,
          .guidance = s.guidance,
          .temperature = s.temperature,
          .top_p = s.top_p,
          .top_k = s.top_k,
          .grid_width = s.geometry.tokens.width,
          .grid_height = s.geometry.tokens.height,
          .latent_channels = config.vae.latent_channels,
          .latent_width = s.geometry.latents.width,
          .latent_height = s.geometry.latents.height};
}

std::vector<std::string> quoted_texts(const Request& r) {
  if (std::find(r.texts.begin(), r.texts.end(), "") != r.texts.end()) refuse("texts", "texts to draw", "an empty one");
  std::vector<std::string> texts = r.texts.empty() ? find_glyph_texts(r.prompt) : r.texts;
  if (texts.size() > limits::kMaxTexts) {
    refuse("texts", "at most " + std::to_string(limits::kMaxTexts), std::to_string(texts.size()));
  }
  return texts;
}

}  // namespace glm
