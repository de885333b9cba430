#include "engine/checkpoint/config.h"

namespace glm {

Geometry ModelConfig::geometry(Grid tokens) const {
  const auto times = [&](int64_t factor) { return Grid{factor * tokens.height, factor * tokens.width}; };
  return {.height = cell() * tokens.height,
          .width = cell() * tokens.width,
          .tokens = tokens,
          .patches = times(2),
          .latents = times(2 * dit.patch)};
}

std::vector<int64_t> ModelConfig::latent_shape(Grid tokens) const {
  const Grid latents = geometry(tokens).latents;
  return {1, vae.latent_channels, latents.height, latents.width};
}

}  // namespace glm
