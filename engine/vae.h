// The decoder half of the VAE: latents to pixels.
// Upstream: diffusers AutoencoderKL.decode, Decoder, UNetMidBlock2D, UpDecoderBlock2D, ResnetBlock2D
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "engine/config.h"
#include "engine/layers.h"
#include "engine/weights.h"

namespace glm {

// Upstream: torch.nn.Conv2d of stride 1 that keeps height and width
class Conv {
 public:
  struct Dims {
    int64_t in;
    int64_t out;
    int64_t kernel;  // odd
  };
  Conv(const Weights& w, Dims dims);
  at::Tensor forward(const at::Tensor& x) const;  // [P, in, H, W] -> [P, out, H, W]

 private:
  at::Tensor weight_, bias_;
  int64_t padding_;
};

// Upstream: torch.nn.GroupNorm, eps 1e-6
class GroupNorm {
 public:
  GroupNorm(const Weights& w, int64_t channels, int64_t groups);
  at::Tensor forward(const at::Tensor& x) const;  // [P, C, …] -> [P, C, …]

 private:
  at::Tensor weight_, bias_;
  int64_t groups_;
};

// Upstream: ResnetBlock2D without time embedding
class Resnet {
 public:
  struct Dims {
    int64_t in;
    int64_t out;
    int64_t groups;
  };
  Resnet(const Weights& w, Dims dims);
  at::Tensor forward(const at::Tensor& x) const;  // [P, in, H, W] -> [P, out, H, W]

 private:
  GroupNorm norm1_, norm2_;
  Conv conv1_, conv2_;
  std::optional<Conv> shortcut_;
};

// Upstream: Attention of UNetMidBlock2D: one head over all pixels
class PixelAttention {
 public:
  PixelAttention(const Weights& w, int64_t channels, int64_t groups);
  at::Tensor forward(const at::Tensor& x) const;  // [P, C, H, W] -> [P, C, H, W]

 private:
  GroupNorm norm_;
  Linear qkv_, output_;
};

class VaeDecoder {
 public:
  // w: the component's root; the encoder's weights are left for it.
  VaeDecoder(const Weights& w, const VaeConfig& c);

  // Latents of the diffusion, from any device, to the decoder's scale and dtype: x * std + mean.
  at::Tensor scale(const at::Tensor& latents) const;  // fp32 [P, C, h, w] -> [P, C, h, w]
  // Scaled latents, from any device, to pixels, about -1 .. 1.
  at::Tensor decode(const at::Tensor& scaled) const;  // [P, C, h, w] -> [P, 3, H, W]

 private:
  struct UpBlock {
    std::vector<Resnet> resnets;
    std::optional<Conv> upsample;
  };
  at::Tensor mean_, std_;  // [1, C, 1, 1]
  std::optional<Conv> post_quant_;
  Conv conv_in_;
  Resnet mid_first_, mid_second_;
  std::optional<PixelAttention> mid_attention_;
  std::vector<UpBlock> up_blocks_;
  GroupNorm norm_out_;
  Conv conv_out_;
};

// Pixels to bytes: clamp(x / 2 + 1/2, 0, 1) in x's dtype, then * 255 in fp32, rounded half to even.
// [P, 3, H, W] -> u8 [P, H, W, 3]. Upstream: VaeImageProcessor.postprocess
at::Tensor pixels_to_bytes(const at::Tensor& pixels);

}  // namespace glm
