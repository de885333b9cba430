// To which sizes a reference picture is resized. Arithmetic alone.
// Upstream: GlmImageImageProcessor's smart_resize; GlmImagePipeline.__call__, the lines that preprocess `image`.
#pragma once

#include <cstdint>

namespace glm {

// From processor/preprocessor_config.json, and of the decoder.
struct ReferenceRule {
  int64_t cell = 16;                        // pixels of a vision cell: patch_size * merge_size
  int64_t min_pixels = int64_t{512} * 512;  // of the picture before it is halved; their roots bound its sides
  int64_t max_pixels = int64_t{2048} * 2048;
  int64_t vae_cell = 32;  // VAE pixels of a token: 2 decoder patches of vae_scale_factor * patch_size
};

struct ReferenceSize {
  int64_t columns = 0;  // tokens, which are cells of the vision tower
  int64_t rows = 0;
  int64_t vision_width = 0;  // pixels that the vision tower sees
  int64_t vision_height = 0;
  int64_t vae_width = 0;  // pixels that the VAE sees
  int64_t vae_height = 0;
};

// Upstream asks for an aspect of at most 4 and crashes where its VAE size, the picture's own floored to decoder
// patches, isn't `vae_cell` times the grid. Here any aspect goes, and the VAE size follows the grid; where upstream
// works both are upstream's. Sides of at least 1.
ReferenceSize reference_size(int64_t width, int64_t height, const ReferenceRule& rule);

}  // namespace glm
