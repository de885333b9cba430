// The codebook: features of the vision tower to image tokens, the same ids that the prior writes.
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
  // w: post_quant_conv is left: it serves training alone.
  ImageTokenizer(const Weights& w, const CodebookConfig& c);

  // The entry nearest to each feature of a grid, both of length 1; the first of equals. Tap: quant_conv [1, E, h, w].
  at::Tensor forward(const at::Tensor& features, Grid grid, const Tap& tap) const;  // [N, D] -> i64 [N]

 private:
  at::Tensor weight_, bias_;  // [E, D], [E]
  at::Tensor entries_;        // [codebook, E], each of length 1
  at::Tensor squares_;        // [codebook], their squared lengths as rounded
};

}  // namespace glm
