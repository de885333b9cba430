// The codebook. It turns features of the vision tower into image tokens, the same ids that the prior writes.
// Upstream: transformers modeling_glm_image.py, GlmImageVQVAE.encode, GlmImageVQVAEVectorQuantizer
#pragma once

#include <ATen/core/Tensor.h>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/tap.h"

namespace glm {

class ImageTokenizer {
 public:
  // Doesn't load post_quant_conv, which serves training alone, but claims it.
  ImageTokenizer(const Weights& w, const CodebookConfig& c);

  // Returns the codebook entry that is nearest to each feature of a grid, after both are normalised to length 1. Of
  // equally near entries the first wins. features: from any device. Tap: quant_conv [1, E, h, w], the grid's h and w.
  at::Tensor forward(const at::Tensor& features, Grid grid, const Tap& tap) const;  // [N, D] -> i64 [N]

 private:
  at::Tensor weight_, bias_;  // [E, D], [E]
  at::Tensor entries_;        // [codebook, E], each of length 1
  at::Tensor squares_;        // [codebook], squared lengths of the entries, which rounding keeps from being exactly 1
};

}  // namespace glm
