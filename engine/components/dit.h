// The diffusion transformer that turns image tokens, glyph embeddings and noise into a velocity of the latents.
// Upstream: diffusers transformer_glm_image.py, GlmImageTransformer2DModel
//
// All branches of a pass (with and without the prompt, for guidance) are packed rows [R, D]. Dense layers see rows;
// only modulation and attention see which rows belong together.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/embedding.h"
#include "engine/components/layers/feed_forward.h"
#include "engine/components/layers/linear.h"
#include "engine/components/layers/tap.h"
#include "kernels/attention.h"
#include "kernels/modulation.h"
#include "kernels/rotary.h"

namespace glm {

// What a branch sees of a reference picture: its keys and values in each layer, written once, read in each step.
// Upstream: GlmImageKVCache
struct Condition {
  std::vector<KeyValues> layers;  // [1, N, H, head]

  int64_t bytes() const;
};

// One sequence of a pass: `text` rows from `begin`, then `image` rows. It attends to itself and to its conditions.
struct Segment {
  int64_t begin;
  int64_t text;
  int64_t image;
  int64_t modulation;         // row of the conditioning vectors
  const RotaryTable* rotary;  // [image, head]: text isn't turned
  std::vector<const Condition*> conditions = {};
  Condition* written = nullptr;  // gets the segment's own keys and values, layer after layer
};

// The rows of a pass and what their groups are modulated by: row 2m of a table is image, 2m + 1 text of modulation m.
struct Layout {
  std::vector<Segment> segments;
  std::vector<RowGroup> groups;
};

// Upstream: GlmImageAttnProcessor
class DitAttention {
 public:
  DitAttention(const Weights& w, const DitConfig& c);
  at::Tensor forward(const at::Tensor& x, const std::vector<Segment>& segments,
                     size_t layer) const;  // [R, D] -> [R, D]

 private:
  // q, k, v: of all rows [R, H, head]. -> [rows of the segment, D]
  at::Tensor attend(const at::Tensor& q, const KeyValues& own, const Segment& s, size_t layer) const;

  Linear qkv_, output_;
  int64_t heads_, head_dim_;
};

// Upstream: GlmImageTransformerBlock, GlmImageAdaLayerNormZero
class DitBlock {
 public:
  DitBlock(const Weights& w, const DitConfig& c);
  // conditioning: [M, time_dim]; layer: this block's number, for the conditions
  at::Tensor forward(const at::Tensor& x, const at::Tensor& conditioning, const Layout& layout,
                     size_t layer) const;  // [R, D] -> [R, D]

 private:
  Linear modulation_;
  DitAttention attention_;
  FeedForward feed_forward_;
};

// What of a branch doesn't change from step to step.
struct DitBranch {
  at::Tensor text;   // [T, D], projected glyph embeddings
  at::Tensor prior;  // [N, D], projected image tokens; [1, D] when they are dropped: then all rows are alike
  std::vector<const Condition*> conditions = {};  // references it sees, the caller's
};

// What follows from a picture's size alone.
struct DitCanvas {
  RotaryTable rotary;  // [N, head]
  at::Tensor size;     // [1, time_dim], the size's part of the conditioning
};

class Dit {
 public:
  Dit(const Weights& w, const DitConfig& c);

  // glyphs: [1, T, E]; ids: i64 [1, N], both from any device; drop: the tokens count as unknown (the branch without the
  // prompt). Taps: glyph_hidden, prior_hidden.
  DitBranch branch(const at::Tensor& glyphs, const at::Tensor& ids, bool drop, const Tap& tap) const;

  DitCanvas canvas(const Geometry& geometry) const;

  // The velocity of `latents` [1, C, h, w], from any device, for each branch, all in one pass. canvas: of their size;
  // timestep: 0 .. train_timesteps - 1. Taps, one for each branch: temb, image_hidden, block{i}, block{i}.text,
  // norm_out. -> [branches, C, h, w]
  at::Tensor forward(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                     double timestep, const std::vector<Tap>& taps) const;

  // A reference's way through the blocks, by itself and without text: at timestep 0, it's a finished picture. latents:
  // normalised [1, C, h, w]; ids: i64 [1, N]; canvas: the reference's. Taps as forward()'s, and out.
  Condition condition(const at::Tensor& latents, const at::Tensor& ids, const DitCanvas& canvas, const Tap& tap) const;

 private:
  at::Tensor run(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                 double timestep, const std::vector<Tap>& taps, Condition* written) const;  // -> [branches, C, h, w]
  at::Tensor conditioning(const DitCanvas& canvas, double timestep) const;                  // [1, time_dim]
  at::Tensor patchify(const at::Tensor& latents) const;  // [1, C, h, w] -> [N, C * p * p]
  at::Tensor unpatchify(const at::Tensor& rows, int64_t height,
                        int64_t width) const;  // [S * N, C * p * p] -> [S, C, h, w]
  // The last norm and projection, of the image rows alone. -> [S * N, C * p * p]
  at::Tensor project_out(const at::Tensor& x, const at::Tensor& temb, const Layout& layout,
                         const std::vector<Tap>& taps) const;

  DitConfig config_;
  at::TensorOptions options_;  // the weights' type and device
  Linear image_projector_;
  FeedForward glyph_projector_;
  Embedding prior_embedding_;
  FeedForward prior_projector_;
  Linear time_first_, time_second_, size_first_, size_second_;
  std::vector<DitBlock> blocks_;
  Linear norm_out_, output_;
};

}  // namespace glm
