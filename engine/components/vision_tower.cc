#include "engine/components/vision_tower.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "kernels/attention.h"
#include "kernels/convolution.h"

namespace glm {
namespace {

// The numbers that at::grid_sampler has for its modes.
enum Interpolation { kBilinear };
enum Padding { kZeros, kBorder };

}  // namespace

VisionBlock::VisionBlock(const Weights& w, const VisionConfig& c)
    : norm1_(w / "norm1", c.dim, c.norm_eps),
      norm2_(w / "norm2", c.dim, c.norm_eps),
      qkv_(w / "attn.qkv", c.dim, 3 * c.dim, c.attention_bias ? Linear::Bias::yes : Linear::Bias::no),
      output_(w / "attn.proj", c.dim, c.dim, c.attention_bias ? Linear::Bias::yes : Linear::Bias::no),
      up_(w / "mlp.fc1", c.dim, c.inner_dim, Linear::Bias::yes),
      down_(w / "mlp.fc2", c.inner_dim, c.dim, Linear::Bias::yes),
      heads_(c.heads),
      head_dim_(c.dim / c.heads) {}

at::Tensor VisionBlock::forward(const at::Tensor& x) const {
  const at::Tensor a = x + attend(norm1_.forward(x));
  return a + down_.forward(at::gelu(up_.forward(norm2_.forward(a)), "none"));
}

at::Tensor VisionBlock::attend(const at::Tensor& x) const {
  const auto qkv = qkv_.forward(x).unflatten(-1, {3, heads_, head_dim_}).unsqueeze(0).unbind(2);  // [1, N, H, head]
  const at::Tensor attended = attention(
      qkv[0], qkv[1], qkv[2], {.scale = std::pow(static_cast<double>(head_dim_), -0.5), .causal = false, .bias = {}});
  return output_.forward(attended.squeeze(0));
}

VisionTower::VisionTower(const Weights& w, const VisionConfig& c)
    : config_(c),
      patch_weight_((w / "patch_embed.proj").tensor("weight", {c.dim, c.channels, c.patch, c.patch})),
      patch_bias_((w / "patch_embed.proj").tensor("bias", {c.dim})),
      position_(w / "embeddings.position_embedding", c.positions * c.positions, c.dim) {
  for (int64_t i = 0; i < c.layers; ++i) blocks_.emplace_back(w / "blocks" / std::to_string(i), c);
}

at::Tensor VisionTower::forward(const at::Tensor& pixels, const Tap& tap) const {
  const at::Tensor own = pixels.to(patch_weight_.device(), patch_weight_.scalar_type());
  // Upstream cuts the patches out first and convolves each by itself, which gives the same.
  const at::Tensor patches = convolve_patches(own, patch_weight_, patch_bias_);  // [1, D, rows, columns]
  at::Tensor x = patches.flatten(2).squeeze(0).t().contiguous();                 // [N, D]
  tap.full("patch_embed", x);
  x = x + positions(patches.size(2), patches.size(3));
  tap.full("embeddings", x);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i].forward(x);
    tap.full("block" + std::to_string(i), x);
  }
  return x;
}

// The table, seen as a square, is sampled in fp32 at the middle of each patch. Upstream: GlmImageVisionEmbeddings
at::Tensor VisionTower::positions(int64_t rows, int64_t columns) const {
  const at::Tensor table =  // [1, D, side, side]
      position_.weight()
          .view({config_.positions, config_.positions, -1})
          .permute({2, 0, 1})
          .unsqueeze(0)
          .to(at::kFloat);
  const auto middles = [&](int64_t count) {  // of `count` patches side by side, where the picture reaches from -1 to 1
    return (at::arange(count, table.options()) + 0.5) / static_cast<double>(count) * 2 - 1;
  };
  const auto at_row = middles(rows).unsqueeze(1).expand({rows, columns});
  const auto at_column = middles(columns).unsqueeze(0).expand({rows, columns});
  const at::Tensor where = at::stack({at_column, at_row}, -1).view({1, rows * columns, 1, 2});
  const at::Tensor sampled = at::grid_sampler(table, where, kBilinear, kBorder, /*align_corners=*/false);
  return sampled.squeeze(0).squeeze(-1).t().to(position_.weight().scalar_type());
}

at::Tensor normalized_pixels(const at::Tensor& bytes, const PreprocessorConfig& c) {
  // Upstream divides mean and deviation by the rescale factor instead of multiplying the pixels, each in fp32.
  const auto scaled = [&](const std::vector<double>& values) {
    return (at::tensor(values, at::kFloat) * (1.0 / c.rescale)).view({1, 3, 1, 1});
  };
  return (bytes.to(at::kFloat) - scaled(c.mean)) / scaled(c.std);
}

}  // namespace glm
