// Computes the sizes that a reference picture is resized to.
// Upstream: GlmImageImageProcessor's smart_resize; GlmImagePipeline.__call__, the lines that preprocess `image`.
#pragma once

#include <cstdint>

namespace glm {

// What the sizes depend on: numbers of processor/preprocessor_config.json, and of the VAE and the DiT.
struct ReferenceRule {
  int64_t cell = 16;                        // pixels of a vision cell: patch_size * merge_size
  int64_t min_pixels = int64_t{512} * 512;  // the roots of min_pixels and max_pixels bound the sides before halving
  int64_t max_pixels = int64_t{2048} * 2048;
  int64_t vae_cell = 32;  // pixels of a token for the VAE: 2 DiT patches of vae_scale_factor * patch_size
};

struct ReferenceSize {
  int64_t columns = 0;  // tokens, which are cells of the vision tower
  int64_t rows = 0;
  int64_t vision_width = 0;  // pixels that the vision tower sees
  int64_t vision_height = 0;
  int64_t vae_width = 0;  // pixels that the VAE sees
  int64_t vae_height = 0;
};

// Returns the sizes for a picture of these sides in pixels, at least 1. Upstream demands an aspect of at most 4. Its
// size for the VAE is the picture's own, floored to DiT patches, and it crashes where that isn't `vae_cell` times the
// grid. Here any aspect is allowed, and the size for the VAE follows the grid. Where upstream works the sizes are the
// same.
ReferenceSize reference_size(int64_t width, int64_t height, const ReferenceRule& rule);

}  // namespace glm
