// The vision tower. It turns a reference picture, halved, into features: one for each patch of 16 x 16 pixels.
// Upstream: transformers modeling_glm_image.py, GlmImageVisionModel
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/embedding.h"
#include "engine/components/layers/linear.h"
#include "engine/components/layers/norms.h"
#include "engine/components/layers/tap.h"

namespace glm {

// Upstream: GlmImageVisionBlock, GlmImageVisionAttention, GlmImageVisionMLP
class VisionBlock {
 public:
  VisionBlock(const Weights& w, const VisionConfig& c);
  at::Tensor forward(const at::Tensor& x) const;  // [N, D] -> [N, D]

 private:
  at::Tensor attend(const at::Tensor& x) const;  // [N, D] -> [N, D]

  LayerNorm norm1_, norm2_;
  Linear qkv_, output_;
  Linear up_, down_;
  int64_t heads_, head_dim_;
};

class VisionTower {
 public:
  VisionTower(const Weights& w, const VisionConfig& c);

  // Turns normalised pixels, fp32 and from any device, into features in the order of the grid's rows.
  // Taps: patch_embed, embeddings, block{i}.
  at::Tensor forward(const at::Tensor& pixels, const Tap& tap) const;  // [1, 3, H, W] -> [N, D]

 private:
  at::Tensor positions(int64_t rows, int64_t columns) const;  // [N, D]

  VisionConfig config_;
  at::Tensor patch_weight_;  // [D, 3, p, p]
  at::Tensor patch_bias_;    // [D]
  Embedding position_;
  std::vector<VisionBlock> blocks_;
};

// Returns bytes as the tower takes them: times the rescale factor, less the mean, over the deviation.
// u8 [1, 3, H, W] -> fp32 [1, 3, H, W]
// Upstream: BaseImageProcessorFast.rescale_and_normalize
at::Tensor normalized_pixels(const at::Tensor& bytes, const PreprocessorConfig& c);

}  // namespace glm
