// Encodes quoted text for the DiT: a T5 encoder over ByT5's bytes.
// Upstream: transformers modeling_t5.py, T5EncoderModel; GlmImagePipeline._get_glyph_embeds
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

// Upstream: T5Block of an encoder, with T5LayerSelfAttention and T5LayerFF (T5DenseGatedActDense)
class GlyphBlock {
 public:
  GlyphBlock(const Weights& w, const GlyphConfig& c);
  // n is the number of texts. bias: [n, H, T, T], added to the scores; it holds the position bias, and hides padding.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& bias) const;  // [n, T, E] -> [n, T, E]

 private:
  at::Tensor attend(const at::Tensor& x, const at::Tensor& bias) const;  // [n, T, E] -> [n, T, E]
  at::Tensor feed_forward(const at::Tensor& x) const;                    // [n, T, E] -> [n, T, E]

  RmsNorm attention_norm_, feed_forward_norm_;
  Linear qkv_, output_, gate_up_, down_;
  int64_t heads_, head_dim_;
};

class GlyphEncoder {
 public:
  GlyphEncoder(const Weights& w, const GlyphConfig& c);

  // Returns the embeddings of all ids of all texts, in order: [1, sum of lengths, E]. Each text has at least one id.
  // Taps: ids, mask, hidden.
  at::Tensor forward(const std::vector<std::vector<int64_t>>& texts, const Tap& tap) const;

 private:
  at::Tensor position_bias(int64_t length) const;  // [1, H, T, T]

  GlyphConfig config_;
  at::Device device_;
  Embedding embed_;
  Embedding relative_bias_;
  std::vector<GlyphBlock> blocks_;
  RmsNorm norm_;
};

}  // namespace glm
