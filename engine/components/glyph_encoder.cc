#include "engine/components/glyph_encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention.h"

namespace glm {
namespace {

constexpr int64_t kPad = 0;  // the id that fills short rows; the mask hides it

// `shared` and `encoder.embed_tokens` are one tensor upstream. A file may hold it under either name, or under both.
Weights embedding_scope(const Weights& w) {
  const Weights shared = w / "shared";
  const Weights tied = w / "encoder.embed_tokens";
  if (shared.has("weight") && tied.has("weight")) w.leave("encoder.embed_tokens");
  return shared.has("weight") ? shared : tied;
}

double lowest(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? static_cast<double>(std::numeric_limits<at::BFloat16>::lowest())
                                : static_cast<double>(std::numeric_limits<float>::lowest());
}

}  // namespace

GlyphBlock::GlyphBlock(const Weights& w, const GlyphConfig& c)
    : attention_norm_(w / "layer.0.layer_norm", c.dim, c.norm_eps),
      feed_forward_norm_(w / "layer.1.layer_norm", c.dim, c.norm_eps),
      qkv_({{w / "layer.0.SelfAttention.q", c.heads * c.head_dim},
            {w / "layer.0.SelfAttention.k", c.heads * c.head_dim},
            {w / "layer.0.SelfAttention.v", c.heads * c.head_dim}},
           c.dim, Linear::Bias::no),
      output_(w / "layer.0.SelfAttention.o", c.heads * c.head_dim, c.dim, Linear::Bias::no),
      gate_up_({{w / "layer.1.DenseReluDense.wi_0", c.inner_dim}, {w / "layer.1.DenseReluDense.wi_1", c.inner_dim}},
               c.dim, Linear::Bias::no),
      down_(w / "layer.1.DenseReluDense.wo", c.inner_dim, c.dim, Linear::Bias::no),
      heads_(c.heads),
      head_dim_(c.head_dim) {}

at::Tensor GlyphBlock::forward(const at::Tensor& x, const at::Tensor& bias) const {
  const at::Tensor a = x + attend(attention_norm_.forward(x), bias);
  return a + feed_forward(feed_forward_norm_.forward(a));
}

at::Tensor GlyphBlock::attend(const at::Tensor& x, const at::Tensor& bias) const {
  const auto qkv = qkv_.forward(x).unflatten(-1, {3, heads_, head_dim_}).unbind(2);
  // T5 doesn't scale its scores.
  return output_.forward(attention(qkv[0], qkv[1], qkv[2], {.scale = 1.0, .causal = false, .bias = bias}));
}

at::Tensor GlyphBlock::feed_forward(const at::Tensor& x) const {
  const auto gate_up = gate_up_.forward(x).chunk(2, -1);
  return down_.forward(at::gelu(gate_up[0], "tanh") * gate_up[1]);
}

GlyphEncoder::GlyphEncoder(const Weights& w, const GlyphConfig& c)
    : config_(c),
      device_(w.device()),
      embed_(embedding_scope(w), c.vocab, c.dim),
      relative_bias_(w / "encoder.block.0.layer.0.SelfAttention.relative_attention_bias", c.buckets, c.heads),
      norm_(w / "encoder.final_layer_norm", c.dim, c.norm_eps) {
  for (int64_t i = 0; i < c.layers; ++i) blocks_.emplace_back(w / "encoder.block" / std::to_string(i), c);
}

at::Tensor GlyphEncoder::forward(const std::vector<std::vector<int64_t>>& texts, const Tap& tap) const {
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  const auto rows = static_cast<int64_t>(texts.size());
  at::Tensor ids = at::full({rows, static_cast<int64_t>(longest)}, kPad, at::kLong);
  at::Tensor mask = at::zeros_like(ids);
  for (int64_t i = 0; i < rows; ++i) {
    const auto& text = texts[static_cast<size_t>(i)];
    const auto length = static_cast<int64_t>(text.size());
    ids[i].slice(0, 0, length).copy_(at::tensor(text, at::kLong));
    mask[i].slice(0, 0, length).fill_(1);
  }
  tap.stage("ids", ids);
  tap.stage("mask", mask);

  at::Tensor x = embed_.forward(ids.to(device_));  // [n, T, E]
  const at::Tensor visible = mask.to(at::kBool).view({rows, 1, 1, -1}).to(device_);
  const at::Tensor bias =
      at::where(visible, position_bias(ids.size(1)), at::scalar_tensor(lowest(x.scalar_type()), x.options()));
  for (const GlyphBlock& block : blocks_) x = block.forward(x, bias);
  x = norm_.forward(x);
  tap.full("hidden", x);
  return x.flatten(0, 1).index_select(0, mask.flatten().nonzero().squeeze(1).to(device_)).unsqueeze(0);
}

// The buckets are computed on the CPU, because at their edges the last bit of the logarithm decides.
// Upstream: T5Attention._relative_position_bucket (bidirectional) and compute_bias
at::Tensor GlyphEncoder::position_bias(int64_t length) const {
  const int64_t half = config_.buckets / 2;
  const int64_t exact = half / 2;
  const at::Tensor place = at::arange(length, at::kLong);
  const at::Tensor delta = place.unsqueeze(0) - place.unsqueeze(1);  // key - query
  const at::Tensor n = delta.abs();
  const at::Tensor logarithmic =
      exact + (at::log(n.to(at::kFloat) / exact) /
               std::log(static_cast<double>(config_.max_distance) / static_cast<double>(exact)) * (half - exact))
                  .to(at::kLong);
  const at::Tensor distance = at::where(n < exact, n, logarithmic.clamp_max(half - 1));
  const at::Tensor buckets = (delta > 0).to(at::kLong) * half + distance;  // [T, T]
  return relative_bias_.forward(buckets.to(device_)).permute({2, 0, 1}).unsqueeze(0);
}

}  // namespace glm
