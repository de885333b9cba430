// The autoregressive transformer that writes image tokens. It is the text half of the vision-language encoder.
// Upstream: transformers modeling_glm_image.py, GlmImageTextModel and the lm_head of GlmImageForConditionalGeneration
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/embedding.h"
#include "engine/components/layers/kv_cache.h"
#include "engine/components/layers/linear.h"
#include "engine/components/layers/norms.h"
#include "engine/components/layers/tap.h"
#include "kernels/rotary.h"

namespace glm {

// What a request's decoding needs. It is allocated up front, so that a step neither grows a tensor nor has to ask the
// device for anything.
struct DecodeState {
  KvCache cache;
  RotaryTable rotary;  // [capacity, R]: every position of the request, prompt first
  at::Tensor token;    // i64 [B], what the next step is fed
  int64_t length = 0;  // positions in the cache
};

// How the prior keeps its weights and decodes.
struct PriorKernels {
  std::optional<cuda::Format> packing;  // the format in which our kernels read the weights; none: they stay dense
  bool decode = false;  // true: our kernels decode (TokenWriter); false: ATen does, and unpacks each weight for it
  std::string no_look_ahead = {};  // says why a GPU can't look ahead; "" if it can
};

// Upstream: GlmImageTextAttention
struct PriorAttention {
  PriorAttention(const Weights& w, const PriorConfig& c, std::optional<cuda::Format> packing);
  at::Tensor forward(const at::Tensor& x, DecodeState& state, int64_t layer) const;  // [B, L, D] -> [B, L, D]

  Linear qkv;
  Linear output;
  int64_t heads, kv_heads, head_dim;
};

// Has sandwich norms: one before and one after each of attention and MLP. Upstream: GlmImageTextDecoderLayer
struct PriorLayer {
  PriorLayer(const Weights& w, const PriorConfig& c, std::optional<cuda::Format> packing = {});
  at::Tensor forward(const at::Tensor& x, DecodeState& state, int64_t layer) const;  // [B, L, D] -> [B, L, D]
  at::Tensor mlp(const at::Tensor& x) const;                                         // [B, L, D] -> [B, L, D]

  RmsNorm input_norm, post_attention_norm, pre_mlp_norm, post_mlp_norm;
  PriorAttention attention;
  Linear gate_up, down;
};

class PriorTransformer {
 public:
  PriorTransformer(const Weights& w, const PriorConfig& c, const PriorKernels& kernels = {});

  bool decodes_by_kernels() const { return decodes_by_kernels_; }

  // Its parts, for TokenWriter, which computes the same by our kernels.
  const PriorConfig& config() const { return config_; }
  const Embedding& embedding() const { return embed_; }
  const std::vector<PriorLayer>& layers() const { return layers_; }
  const RmsNorm& norm() const { return norm_; }
  const Linear& head() const { return head_; }

  // Returns an empty state for `batch` rows. positions: i64 [3, 1, capacity] of prompt and grids, from any device.
  DecodeState start(int64_t batch, const at::Tensor& positions) const;

  // Feeds the prompt, which is the same for all rows, from any device. Returns the logits of its last position.
  at::Tensor prefill(const at::Tensor& ids, DecodeState& state, const Tap& tap) const;  // i64 [B, L] -> [B, V]

  // Feeds state.token. Returns the logits of the token after it.
  at::Tensor step(DecodeState& state) const;  // -> [B, V]

 private:
  at::Tensor forward(const at::Tensor& ids, DecodeState& state, const Tap& tap) const;  // i64 [B, L] -> [B, V]

  PriorConfig config_;
  bool decodes_by_kernels_;
  at::ScalarType dtype_;
  at::Device device_;
  Embedding embed_;
  std::vector<PriorLayer> layers_;
  RmsNorm norm_;
  Linear head_;
};

}  // namespace glm
