#include "engine/components/dit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/components/layers/rope.h"

namespace glm {
namespace {

constexpr double kEps = 1e-5;  // for every layer norm here; a literal in upstream's classes
enum Chunk { kShiftAttention, kScaleAttention, kGateAttention, kShiftMlp, kScaleMlp, kGateMlp, kChunks };

// Upstream: get_timestep_embedding(flip_sin_to_cos=True, downscale_freq_shift=0): cosines, then sines.
// [n] -> fp32 [n, dim]. The frequencies are computed on the CPU, because a different last bit of one is a visible angle
// at timestep 999.
at::Tensor timestep_embedding(const at::Tensor& values, int64_t dim) {
  const int64_t half = dim / 2;
  const at::Tensor frequencies = at::exp(-std::log(10000.0) * at::arange(0, half, at::kFloat) / half);
  const at::Tensor angles = values.to(at::kFloat).unsqueeze(1) * frequencies.to(values.device()).unsqueeze(0);
  return at::cat({angles.cos(), angles.sin()}, -1);
}

// Makes a segment of each branch, one after the other: its text rows, then `image` rows. All share one modulation and
// one rotary table.
Layout lay_out(const std::vector<DitBranch>& branches, int64_t image, const RotaryTable& rotary) {
  Layout layout{.segments = {}, .groups = {}, .rotary = &rotary};
  int64_t row = 0;
  for (const DitBranch& branch : branches) {
    const int64_t text = branch.text.size(0);
    layout.segments.push_back({row, text, image, 0, branch.conditions});
    if (text > 0) layout.groups.push_back({row, row + text, 1});
    layout.groups.push_back({row + text, row + text + image, 0});
    row += text + image;
  }
  return layout;
}

at::Tensor image_rows(const at::Tensor& x, const Segment& s) {
  return x.slice(0, s.begin + s.text, s.begin + s.text + s.image);
}

}  // namespace

DitAttention::DitAttention(const Weights& w, const DitConfig& c, const DecoderKernels& kernels)
    : qkv_({{w / "to_q", c.dim()}, {w / "to_k", c.dim()}, {w / "to_v", c.dim()}}, c.dim(), Linear::Bias::yes),
      output_(w / "to_out.0", c.dim(), c.dim(), Linear::Bias::yes),
      heads_(c.heads),
      head_dim_(c.head_dim),
      kernels_(kernels) {}

at::Tensor DitAttention::forward(const at::Tensor& x, const Layout& layout, size_t layer) const {
  const at::Tensor qkv = qkv_.forward(x).unflatten(-1, {3, heads_, head_dim_});  // [R, 3, H, head]
  std::vector<SequenceRows> sequences;
  for (const Segment& s : layout.segments) sequences.push_back({s.text, s.image});
  const at::Tensor qk = kernels_.norm_heads(qkv, sequences, *layout.rotary, kEps);  // [R, 2, H, head]
  const at::Tensor v = qkv.select(1, 2);
  std::vector<at::Tensor> attended;
  for (const Segment& s : layout.segments) {
    const int64_t end = s.begin + s.text + s.image;
    const at::Tensor own = qk.slice(0, s.begin, end).unsqueeze(0);
    attended.push_back(attend(own.select(2, 0), {own.select(2, 1), v.slice(0, s.begin, end).unsqueeze(0)}, s, layer));
  }
  return output_.forward(at::cat(attended));
}

at::Tensor DitAttention::attend(const at::Tensor& q, const KeyValues& own, const Segment& s, size_t layer) const {
  // The clones are needed because `own` is a part of larger tensors.
  if (s.written != nullptr) s.written->layers.push_back({own.k.clone(), own.v.clone()});
  // Upstream concatenates [k_cache, k] and [v_cache, v] in every step. The order doesn't matter to a sum.
  std::vector<KeyValues> sequences = {own};
  for (const Condition* condition : s.conditions) sequences.push_back(condition->layers[layer]);
  return attention(q, sequences, 1.0 / std::sqrt(static_cast<double>(head_dim_))).squeeze(0);
}

DitBlock::DitBlock(const Weights& w, const DitConfig& c, const DecoderKernels& kernels)
    : modulation_(w / "norm1.linear", c.time_dim, c.dim() * kChunks * 2, Linear::Bias::yes),
      attention_(w / "attn1", c, kernels),
      feed_forward_(w / "ff", {c.dim(), 4 * c.dim(), c.dim()}, FeedForward::Activation::gelu_tanh,
                    /*fused=*/kernels.are_ours()),
      kernels_(kernels) {}

Gated DitBlock::forward(at::Tensor& x, std::optional<Gated> before, const at::Tensor& conditioning,
                        const Layout& layout, size_t layer) const {
  // Upstream's 12 chunks are shift_msa, c_shift_msa, scale_msa, c_scale_msa, gate_msa, …: the one for text rows ("c_")
  // follows the one for image rows.
  const at::Tensor m = modulation_.forward(conditioning).unflatten(-1, {kChunks, 2, x.size(1)});  // [M, 6, 2, D]
  const auto table = [&](Chunk chunk) { return m.select(1, chunk).flatten(0, 1); };               // [2 M, D]
  at::Tensor normed =
      kernels_.modulate(x, before, layout.groups, {{table(kScaleAttention), table(kShiftAttention)}}, kEps);
  before.reset();  // it takes as much memory as x
  const Gated attended{attention_.forward(normed, layout, layer), table(kGateAttention)};
  normed = kernels_.modulate(x, attended, layout.groups, {{table(kScaleMlp), table(kShiftMlp)}}, kEps);
  return {feed_forward_.forward(normed), table(kGateMlp)};
}

Dit::Dit(const Weights& w, const DitConfig& c, const DecoderKernels& kernels)
    : config_(c),
      options_(at::TensorOptions(w.dtype()).device(w.device())),
      kernels_(kernels),
      image_projector_(w / "image_projector.proj", c.in_channels * c.patch * c.patch, c.dim(), Linear::Bias::yes),
      glyph_projector_(w / "glyph_projector", {c.text_dim, c.dim(), c.dim()}, FeedForward::Activation::gelu_erf),
      prior_embedding_(w / "prior_token_embedding", c.codebook, c.dim()),
      prior_projector_(w / "prior_projector", {c.dim(), c.dim(), c.dim()}, FeedForward::Activation::silu),
      time_first_(w / "time_condition_embed.timestep_embedder.linear_1", c.time_dim, c.time_dim, Linear::Bias::yes),
      time_second_(w / "time_condition_embed.timestep_embedder.linear_2", c.time_dim, c.time_dim, Linear::Bias::yes),
      size_first_(w / "time_condition_embed.condition_embedder.linear_1", 4 * c.condition_dim, c.time_dim,
                  Linear::Bias::yes),
      size_second_(w / "time_condition_embed.condition_embedder.linear_2", c.time_dim, c.time_dim, Linear::Bias::yes),
      norm_out_(w / "norm_out.linear", c.time_dim, 2 * c.dim(), Linear::Bias::yes),
      output_(w / "proj_out", c.dim(), c.out_channels * c.patch * c.patch, Linear::Bias::yes) {
  for (int64_t i = 0; i < c.layers; ++i) {
    blocks_.emplace_back(w / "transformer_blocks" / std::to_string(i), c, kernels);
  }
}

DitBranch Dit::branch(const at::Tensor& glyphs, const at::Tensor& ids, bool drop, const Tap& tap) const {
  // Dropping zeroes the embedding and not the projection, so the projector's biases remain. They are the same for every
  // row.
  const at::Tensor tokens =
      drop ? at::zeros({1, config_.dim()}, options_) : prior_embedding_.forward(ids.to(options_.device()).squeeze(0));
  DitBranch branch{.text = glyph_projector_.forward(glyphs.to(options_.device()).squeeze(0)),
                   .prior = prior_projector_.forward(tokens)};
  tap.full("glyph_hidden", branch.text.unsqueeze(0));
  tap.full("prior_hidden", branch.prior.expand({ids.size(1), -1}).unsqueeze(0));
  return branch;
}

DitCanvas Dit::canvas(const Geometry& geometry) const {
  // The sizes are rounded to the model's dtype first, as upstream's are. bf16 holds multiples of 32 exactly.
  const at::TensorOptions wide = options_.dtype(at::kFloat);
  const at::ScalarType dtype = options_.dtype().toScalarType();
  const at::Tensor sizes =  // with the crop at (0, 0)
      at::tensor({0.0, 0.0, static_cast<double>(geometry.height), static_cast<double>(geometry.width)}, wide).to(dtype);
  const at::Tensor size = timestep_embedding(sizes, config_.condition_dim).view({1, -1}).to(dtype);
  return {.rotary =
              patch_rotary_table(config_.head_dim, geometry.patches.height, geometry.patches.width, options_.device()),
          .size = size_second_.forward(at::silu(size_first_.forward(size)))};
}

at::Tensor Dit::forward(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                        double timestep, const std::vector<Tap>& taps) const {
  return run(latents, branches, canvas, timestep, taps, nullptr);
}

Condition Dit::condition(const at::Tensor& latents, const at::Tensor& ids, const DitCanvas& canvas,
                         const Tap& tap) const {
  const DitBranch branch{
      .text = at::empty({0, config_.dim()}, options_),
      .prior = prior_projector_.forward(prior_embedding_.forward(ids.to(options_.device()).squeeze(0)))};
  Condition written;
  tap.full("out", run(latents, {branch}, canvas, /*timestep=*/0, {tap}, &written));
  return written;
}

int64_t Condition::bytes() const {
  int64_t sum = 0;
  for (const KeyValues& layer : layers) sum += static_cast<int64_t>(layer.k.nbytes() + layer.v.nbytes());
  return sum;
}

at::Tensor Dit::run(const at::Tensor& latents, const std::vector<DitBranch>& branches, const DitCanvas& canvas,
                    double timestep, const std::vector<Tap>& taps, Condition* written) const {
  const int64_t height = latents.size(2) / config_.patch;
  const int64_t width = latents.size(3) / config_.patch;
  Layout layout = lay_out(branches, height * width, canvas.rotary);
  layout.segments[0].written = written;
  const at::Tensor image = image_projector_.forward(patchify(latents.to(options_.device())));  // [N, D]
  const at::Tensor temb = conditioning(canvas, timestep);

  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < branches.size(); ++i) {
    taps[i].full("image_hidden", image.unsqueeze(0));
    taps[i].full("temb", temb);
    parts.push_back(branches[i].text);
    parts.push_back(image + branches[i].prior);
  }
  at::Tensor x = at::cat(parts);  // [R, D]
  std::optional<Gated> product;   // of the block before; the next one adds it to x
  const bool all_seen = std::any_of(taps.begin(), taps.end(), [](const Tap& tap) { return tap.wants_full(); });
  for (size_t i = 0; i < blocks_.size(); ++i) {
    product = blocks_[i].forward(x, std::exchange(product, std::nullopt), temb, layout, i);
    if (!all_seen && i + 1 < blocks_.size()) continue;
    kernels_.modulate(x, product, layout.groups, /*modulation=*/{}, kEps);
    product.reset();
    for (size_t s = 0; s < layout.segments.size(); ++s) {
      const Segment& own = layout.segments[s];
      taps[s].full("block" + std::to_string(i), image_rows(x, own).unsqueeze(0));
      taps[s].full("block" + std::to_string(i) + ".text", x.slice(0, own.begin, own.begin + own.text).unsqueeze(0));
    }
  }
  return unpatchify(project_out(x, temb, layout, taps), height, width);
}

at::Tensor Dit::project_out(const at::Tensor& x, const at::Tensor& temb, const Layout& layout,
                            const std::vector<Tap>& taps) const {
  std::vector<at::Tensor> rows;
  for (const Segment& s : layout.segments) rows.push_back(image_rows(x, s));
  const at::Tensor images = at::cat(rows);              // [S * N, D]
  const auto m = norm_out_.forward(temb).chunk(2, -1);  // scale, then shift: in a block the shift is first
  const at::Tensor normed = norm_modulate(images, {{0, images.size(0), 0}}, m[0], m[1], kEps);
  for (size_t s = 0; s < taps.size(); ++s) {
    const int64_t n = layout.segments[s].image;
    taps[s].full("norm_out",
                 normed.slice(0, static_cast<int64_t>(s) * n, static_cast<int64_t>(s + 1) * n).unsqueeze(0));
  }
  return output_.forward(normed);
}

// Upstream: GlmImageCombinedTimestepSizeEmbeddings
at::Tensor Dit::conditioning(const DitCanvas& canvas, double timestep) const {
  const at::Tensor time = timestep_embedding(at::tensor({timestep}, options_.dtype(at::kFloat)), config_.time_dim);
  return at::silu(time_second_.forward(at::silu(time_first_.forward(time.to(options_.dtype())))) + canvas.size);
}

at::Tensor Dit::patchify(const at::Tensor& latents) const {
  const int64_t p = config_.patch;
  return latents.squeeze(0)
      .reshape({config_.in_channels, latents.size(2) / p, p, latents.size(3) / p, p})
      .permute({1, 3, 0, 2, 4})  // (row, column, channel, y, x)
      .reshape({-1, config_.in_channels * p * p});
}

at::Tensor Dit::unpatchify(const at::Tensor& rows, int64_t height, int64_t width) const {
  const int64_t p = config_.patch;
  return rows.reshape({-1, height, width, config_.out_channels, p, p})
      .permute({0, 3, 1, 4, 2, 5})
      .reshape({-1, config_.out_channels, height * p, width * p});
}

}  // namespace glm
