#include "engine/components/vae.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "kernels/attention.h"
#include "kernels/convolution.h"

namespace glm {
namespace {

constexpr double kEps = 1e-6;  // a literal in upstream's classes

at::Tensor channel_values(const std::vector<double>& values, const Weights& w) {
  return at::tensor(values, at::kFloat).view({1, -1, 1, 1}).to(w.device(), w.dtype());
}

using Work = std::function<at::Tensor(const at::Tensor&)>;

// Computes a tensor of pixels band by band, and calls each(band, first row of the band) for every band. rows: how many
// rows of x become a band. work: takes rows of x, [P, C, n, W], and returns [P, out, n * scale, W * scale]. A row of
// the result may depend on the same row of x, on the row above it, and on the row below it.
void for_bands(const at::Tensor& x, int64_t rows, int64_t scale, const Work& work,
               const std::function<void(const at::Tensor&, int64_t)>& each) {
  const int64_t height = x.size(2);
  for (int64_t begin = 0; begin < height; begin += rows) {
    const int64_t end = std::min(height, begin + rows);
    const int64_t first = std::max<int64_t>(0, begin - 1);  // work sees one more row above and below the band
    const at::Tensor band = work(x.slice(2, first, std::min(height, end + 1)));
    each(band.slice(2, (begin - first) * scale, (end - first) * scale), begin * scale);
  }
}

// Computes a tensor of pixels band by band, as for_bands() does, and returns it as a whole. If `rows` is H or more,
// there is one band. -> [P, out, H * scale, W * scale]
at::Tensor in_bands(const at::Tensor& x, int64_t rows, int64_t scale, const Work& work) {
  if (rows >= x.size(2)) return work(x);
  at::Tensor all;
  for_bands(x, rows, scale, work, [&](const at::Tensor& band, int64_t begin) {
    if (!all.defined()) {
      all = at::empty({x.size(0), band.size(1), x.size(2) * scale, x.size(3) * scale},
                      band.options().memory_format(band.suggest_memory_format()));
    }
    all.slice(2, begin, begin + band.size(2)).copy_(band);
  });
  return all;
}

}  // namespace

Conv::Conv(const Weights& w, Dims dims)
    : weight_(w.tensor("weight", {dims.out, dims.in, dims.kernel, dims.kernel})), bias_(w.tensor("bias", {dims.out})) {}

at::Tensor Conv::forward(const at::Tensor& x) const {
  return convolve(x, weight_, bias_);
}

at::Tensor Conv::forward_doubled(const at::Tensor& x) const {
  return convolve_doubled(x, weight_, bias_);
}

Downsample::Downsample(const Weights& w, int64_t channels)
    : weight_(w.tensor("weight", {channels, channels, 3, 3})), bias_(w.tensor("bias", {channels})) {}

at::Tensor Downsample::forward(const at::Tensor& x) const {
  return convolve_halved(x, weight_, bias_);
}

GroupNorm::GroupNorm(const Weights& w, int64_t channels, int64_t groups, const DecoderKernels& kernels)
    : weight_(w.tensor("weight", {channels})),
      bias_(w.tensor("bias", {channels})),
      groups_(groups),
      kernels_(kernels) {}

at::Tensor GroupNorm::forward(const at::Tensor& x) const {
  return kernels_.group_norm(x, groups_, weight_, bias_, kEps, /*silu=*/false);
}

at::Tensor GroupNorm::statistics(const at::Tensor& x) const {
  return kernels_.group_statistics(x, groups_, kEps);
}

GroupStatistics GroupNorm::gather() const {
  return {kernels_, groups_, kEps};
}

at::Tensor GroupNorm::forward_silu_by(const at::Tensor& statistics, const at::Tensor& x) const {
  return kernels_.group_norm_by(statistics, x, weight_, bias_, /*silu=*/true);
}

at::Tensor GroupNorm::forward_silu(const at::Tensor& x) const {
  return kernels_.group_norm(x, groups_, weight_, bias_, kEps, /*silu=*/true);
}

Resnet::Resnet(const Weights& w, Dims dims, const DecoderKernels& kernels)
    : norm1_(w / "norm1", dims.in, dims.groups, kernels),
      norm2_(w / "norm2", dims.out, dims.groups, kernels),
      conv1_(w / "conv1", {dims.in, dims.out, 3}),
      conv2_(w / "conv2", {dims.out, dims.out, 3}),
      kernels_(kernels) {
  if (dims.in != dims.out) shortcut_.emplace(w / "conv_shortcut", Conv::Dims{dims.in, dims.out, 1});
}

at::Tensor Resnet::convolve_normed(const GroupNorm& norm, const Conv& conv, const at::Tensor& x) const {
  const int64_t rows = kernels_.band_rows(x, x.size(1));
  if (rows == x.size(2)) return conv.forward(norm.forward_silu(x));  // ATen's norm of one piece
  const at::Tensor statistics = norm.statistics(x);
  return in_bands(x, rows, /*scale=*/1,
                  [&](const at::Tensor& band) { return conv.forward(norm.forward_silu_by(statistics, band)); });
}

at::Tensor Resnet::forward(const at::Tensor& x) const {
  at::Tensor h = convolve_normed(norm1_, conv1_, x);
  h = convolve_normed(norm2_, conv2_, h);
  return h.add_(shortcut_ ? shortcut_->forward(x) : x);
}

at::Tensor Resnet::forward_doubled(at::Tensor x, const Conv& doubling) const {
  const int64_t rows = kernels_.band_rows(x, 4 * x.size(1));
  const auto doubled = [&](const at::Tensor& band) { return doubling.forward_doubled(band); };
  if (rows == x.size(2)) {
    x = doubled(x);
    return forward(x);
  }
  GroupStatistics gathered = norm1_.gather();
  for_bands(x, rows, /*scale=*/2, doubled, [&](const at::Tensor& band, int64_t /*begin*/) { gathered.add(band); });
  const at::Tensor statistics = gathered.joined();
  // The first half of the channels is the result of the first convolution. The second half is the residual, which is
  // added to the result of the second convolution.
  const at::Tensor both = in_bands(x, rows, /*scale=*/2, [&](const at::Tensor& band) {
    const at::Tensor pixels = doubled(band);
    const at::Tensor h = conv1_.forward(norm1_.forward_silu_by(statistics, pixels));
    return at::cat({h, shortcut_ ? shortcut_->forward(pixels) : pixels}, 1);
  });
  x.reset();
  const std::vector<at::Tensor> parts = both.tensor_split(2, 1);
  return convolve_normed(norm2_, conv2_, parts[0]).add_(parts[1]);
}

PixelAttention::PixelAttention(const Weights& w, int64_t channels, int64_t groups, const DecoderKernels& kernels)
    : norm_(w / "group_norm", channels, groups, kernels),
      qkv_({{w / "to_q", channels}, {w / "to_k", channels}, {w / "to_v", channels}}, channels, Linear::Bias::yes),
      output_(w / "to_out.0", channels, channels, Linear::Bias::yes) {}

at::Tensor PixelAttention::forward(const at::Tensor& x) const {
  const at::Tensor pixels = norm_.forward(x).flatten(2).transpose(1, 2);             // [P, H*W, C]
  const auto qkv = qkv_.forward(pixels).unflatten(-1, {3, 1, x.size(1)}).unbind(2);  // one head
  const at::Tensor attended = attention(
      qkv[0], qkv[1], qkv[2], {.scale = 1.0 / std::sqrt(static_cast<double>(x.size(1))), .causal = false, .bias = {}});
  return x + output_.forward(attended).transpose(1, 2).reshape(x.sizes());
}

VaeMiddle::VaeMiddle(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels)
    : first_(w / "resnets.0", {c.channels.back(), c.channels.back(), c.groups}, kernels),
      second_(w / "resnets.1", {c.channels.back(), c.channels.back(), c.groups}, kernels) {
  if (c.mid_attention) attention_.emplace(w / "attentions.0", c.channels.back(), c.groups, kernels);
}

at::Tensor VaeMiddle::forward(const at::Tensor& x) const {
  const at::Tensor h = first_.forward(x);
  return second_.forward(attention_ ? attention_->forward(h) : h);
}

VaeEncoder::VaeEncoder(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels)
    : mean_(channel_values(c.latents_mean, w)),
      std_(channel_values(c.latents_std, w)),
      conv_in_(w / "encoder.conv_in", {c.image_channels, c.channels.front(), 3}),
      middle_(w / "encoder.mid_block", c, kernels),
      norm_out_(w / "encoder.conv_norm_out", c.channels.back(), c.groups, kernels),
      conv_out_(w / "encoder.conv_out", {c.channels.back(), 2 * c.latent_channels, 3}) {  // means, then log variances
  if (c.quant_conv) quant_.emplace(w / "quant_conv", Conv::Dims{2 * c.latent_channels, 2 * c.latent_channels, 1});
  int64_t in = c.channels.front();
  for (size_t i = 0; i < c.channels.size(); ++i) {
    const int64_t out = c.channels[i];
    const Weights block = w / "encoder.down_blocks" / std::to_string(i);
    DownBlock down;
    for (int64_t j = 0; j < c.layers_per_block; ++j) {
      down.resnets.emplace_back(block / "resnets" / std::to_string(j), Resnet::Dims{j == 0 ? in : out, out, c.groups},
                                kernels);
    }
    if (i + 1 < c.channels.size()) down.downsample.emplace(block / "downsamplers.0.conv", out);
    down_blocks_.push_back(std::move(down));
    in = out;
  }
}

at::Tensor VaeEncoder::encode(const at::Tensor& pixels) const {
  at::Tensor x = conv_in_.forward(pixels.to(mean_.device(), mean_.scalar_type()));
  for (const DownBlock& block : down_blocks_) {
    for (const Resnet& resnet : block.resnets) x = resnet.forward(x);
    if (block.downsample) x = block.downsample->forward(x);
  }
  const at::Tensor moments = conv_out_.forward(norm_out_.forward_silu(middle_.forward(x)));
  return (quant_ ? quant_->forward(moments) : moments).chunk(2, 1)[0];
}

at::Tensor VaeEncoder::normalize(const at::Tensor& mean) const {
  return (mean.to(mean_.device(), mean_.scalar_type()) - mean_) / std_;
}

at::Tensor bytes_to_pixels(const at::Tensor& bytes) {
  return bytes.to(at::kFloat) / 255 * 2 - 1;
}

VaeDecoder::VaeDecoder(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels)
    : mean_(channel_values(c.latents_mean, w)),
      std_(channel_values(c.latents_std, w)),
      conv_in_(w / "decoder.conv_in", {c.latent_channels, c.channels.back(), 3}),
      middle_(w / "decoder.mid_block", c, kernels),
      norm_out_(w / "decoder.conv_norm_out", c.channels.front(), c.groups, kernels),
      conv_out_(w / "decoder.conv_out", {c.channels.front(), c.image_channels, 3}) {
  if (c.post_quant_conv)
    post_quant_.emplace(w / "post_quant_conv", Conv::Dims{c.latent_channels, c.latent_channels, 1});
  int64_t in = c.channels.back();
  for (size_t i = 0; i < c.channels.size(); ++i) {  // the deepest block first
    const int64_t out = c.channels[c.channels.size() - 1 - i];
    const Weights block = w / "decoder.up_blocks" / std::to_string(i);
    UpBlock up;
    for (int64_t j = 0; j <= c.layers_per_block; ++j) {
      up.resnets.emplace_back(block / "resnets" / std::to_string(j), Resnet::Dims{j == 0 ? in : out, out, c.groups},
                              kernels);
    }
    if (i + 1 < c.channels.size()) up.upsample.emplace(block / "upsamplers.0.conv", Conv::Dims{out, out, 3});
    up_blocks_.push_back(std::move(up));
    in = out;
  }
}

at::Tensor VaeDecoder::denormalize(const at::Tensor& latents) const {
  return latents.to(mean_.device(), mean_.scalar_type()) * std_ + mean_;
}

at::Tensor VaeDecoder::decode(const at::Tensor& scaled) const {
  const at::Tensor latents = scaled.to(mean_.device());
  at::Tensor x = conv_in_.forward(post_quant_ ? post_quant_->forward(latents) : latents);
  x = middle_.forward(x);
  const Conv* doubling = nullptr;  // of the block before
  for (const UpBlock& block : up_blocks_) {
    for (const Resnet& resnet : block.resnets) {
      x = doubling == nullptr ? resnet.forward(x) : resnet.forward_doubled(std::move(x), *doubling);
      doubling = nullptr;
    }
    if (block.upsample) doubling = &*block.upsample;
  }
  x = norm_out_.forward_silu(x);
  return conv_out_.forward(x);
}

at::Tensor pixels_to_bytes(const at::Tensor& pixels) {
  const at::Tensor unit = (pixels * 0.5 + 0.5).clamp(0, 1).to(at::kFloat);
  return (unit * 255).round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

}  // namespace glm
