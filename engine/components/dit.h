// The diffusion transformer that turns image tokens, glyph embeddings and noise into a velocity of the latents.
// Upstream: diffusers transformer_glm_image.py, GlmImageTransformer2DModel
//
// All branches of a pass (with and without the prompt, for guidance) are packed into rows [R, D]. Dense layers see
// only rows. Modulation and attention alone know which rows belong together.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/embedding.h"
#include "engine/components/layers/feed_forward.h"
#include "engine/components/layers/linear.h"
#include "engine/components/layers/tap.h"
#include "kernels/attention.h"
#include "kernels/decoder_kernels.h"
#include "kernels/modulation.h"
#include "kernels/rotary.h"

namespace glm {

// What a branch sees of a reference picture: its keys and values in each layer. They are written once and read in each
// step. Upstream: GlmImageKVCache
struct Condition {
  std::vector<KeyValues> layers;  // [1, N, H, head]

  int64_t bytes() const;
};

// One sequence of a pass: `text` rows from row `begin` on, then `image` rows. It attends to itself and to its
// conditions.
struct Segment {
  int64_t begin;
  int64_t text;
  int64_t image;
  int64_t modulation;  // its row of the conditioning vectors [M, time_dim]
  std::vector<const Condition*> conditions = {};
  Condition* written = nullptr;  // if not null, receives the segment's own keys and values, layer after layer
};

// Says which rows of a pass belong together. A group names its row of the modulation tables [2 M, D]: row 2m is for
// the image rows of modulation m, row 2m + 1 for its text rows.
struct Layout {
  std::vector<Segment> segments;
  std::vector<RowGroup> groups;
  const RotaryTable* rotary;  // [N, head], for the image rows of each segment: text rows aren't rotated
};

// Upstream: GlmImageAttnProcessor
class DitAttention {
 public:
  DitAttention(const Weights& w, const DitConfig& c, const DecoderKernels& kernels);
  at::Tensor forward(const at::Tensor& x, const Layout& layout, size_t layer) const;  // [R, D] -> [R, D]

 private:
  // q: [1, text + image, H, head], and `own` likewise: the rows of segment `s` alone. -> [text + image, D]
  at::Tensor attend(const at::Tensor& q, const KeyValues& own, const Segment& s, size_t layer) const;

  Linear qkv_, output_;
  int64_t heads_, head_dim_;
  DecoderKernels kernels_;
};

// Upstream: GlmImageTransformerBlock, GlmImageAdaLayerNormZero
class DitBlock {
 public:
  DitBlock(const Weights& w, const DitConfig& c, const DecoderKernels& kernels);
  // Returns the block's last product, which whoever reads x next adds. before: that of the block before. x: [R, D],
  // becomes the residual before that product. conditioning: [M, time_dim]; layer: this block's number, which picks the
  // keys and values of the conditions
  Gated forward(at::Tensor& x, std::optional<Gated> before, const at::Tensor& conditioning, const Layout& layout,
                size_t layer) const;

 private:
  Linear modulation_;
  DitAttention attention_;
  FeedForward feed_forward_;
  DecoderKernels kernels_;
};

// The part of a branch that doesn't change from step to step.
struct DitBranch {
  at::Tensor text;   // [T, D], projected glyph embeddings
  at::Tensor prior;  // [N, D], projected image tokens; [1, D] when they are dropped, because all rows are alike then
  std::vector<const Condition*> conditions = {};  // the references that it sees; the caller owns them
};

// What follows from a picture's size alone.
struct DitCanvas {
  RotaryTable rotary;  // [N, head]
  at::Tensor size;     // [1, time_dim], what the size adds to the conditioning
};

class Dit {
 public:
  Dit(const Weights& w, const DitConfig& c, const DecoderKernels& kernels = DecoderKernels());

  // Projects what a branch is told: glyphs [1, T, E] and image tokens `ids` i64 [1, N], both from any device. With
  // `drop` the tokens count as unknown (the branch without the prompt). Taps: glyph_hidden, prior_hidden.
  DitBranch branch(const at::Tensor& glyphs, const at::Tensor& ids, bool drop, const Tap& tap) const;

  DitCanvas canvas(const Geometry& geometry) const;

  // Returns the velocity of `latents` [1, C, h, w], from any device, for each branch: [branches, C, h, w]. All branches
  // go through in one pass. canvas: of the latents' size; timestep: 0 .. train_timesteps - 1; taps: one for each
  // branch, which gets temb, image_hidden, block{i}, block{i}.text and norm_out.
  at::Tensor forward(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                     double timestep, const std::vector<Tap>& taps) const;

  // Sends a reference through the blocks, by itself and without text, and returns its keys and values. The timestep is
  // 0, because a reference is a finished picture. latents: normalised [1, C, h, w]; ids: i64 [1, N], both from any
  // device; canvas: of the reference's size. Taps: those of forward(), and out.
  Condition condition(const at::Tensor& latents, const at::Tensor& ids, const DitCanvas& canvas, const Tap& tap) const;

 private:
  at::Tensor run(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                 double timestep, const std::vector<Tap>& taps, Condition* written) const;  // -> [branches, C, h, w]
  at::Tensor conditioning(const DitCanvas& canvas, double timestep) const;                  // [1, time_dim]
  at::Tensor patchify(const at::Tensor& latents) const;  // [1, C, h, w] -> [N, C * p * p]
  at::Tensor unpatchify(const at::Tensor& rows, int64_t height,
                        int64_t width) const;  // [S * N, C * p * p] -> [S, C, h, w]
  // Applies the last norm and the last projection to the image rows alone. -> [S * N, C * p * p]
  at::Tensor project_out(const at::Tensor& x, const at::Tensor& temb, const Layout& layout,
                         const std::vector<Tap>& taps) const;

  DitConfig config_;
  at::TensorOptions options_;  // dtype and device of the weights
  DecoderKernels kernels_;
  Linear image_projector_;
  FeedForward glyph_projector_;
  Embedding prior_embedding_;
  FeedForward prior_projector_;
  Linear time_first_, time_second_, size_first_, size_second_;
  std::vector<DitBlock> blocks_;
  Linear norm_out_, output_;
};

}  // namespace glm
