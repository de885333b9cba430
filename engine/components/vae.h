// The VAE. It turns a picture's pixels into latents, and latents into pixels.
// Upstream: diffusers AutoencoderKL, Encoder, Decoder, UNetMidBlock2D, DownEncoderBlock2D, UpDecoderBlock2D,
// ResnetBlock2D
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/linear.h"
#include "kernels/decoder_kernels.h"

namespace glm {

// Keeps height and width. Upstream: torch.nn.Conv2d of stride 1
class Conv {
 public:
  struct Dims {
    int64_t in;
    int64_t out;
    int64_t kernel;  // odd
  };
  Conv(const Weights& w, Dims dims);
  at::Tensor forward(const at::Tensor& x) const;  // [P, in, H, W] -> [P, out, H, W]
  // Doubles the pixels in both directions first; for a kernel of 3. Upstream: Upsample2D
  at::Tensor forward_doubled(const at::Tensor& x) const;  // [P, in, H, W] -> [P, out, 2 H, 2 W]

 private:
  at::Tensor weight_, bias_;  // [out, in, kernel, kernel], [out]
};

// Halves height and width by a convolution of stride 2, with a row and a column of zeros below and on the right.
// Upstream: Downsample2D with padding 0
class Downsample {
 public:
  Downsample(const Weights& w, int64_t channels);
  at::Tensor forward(const at::Tensor& x) const;  // [P, C, H, W] -> [P, C, H / 2, W / 2]

 private:
  at::Tensor weight_, bias_;  // [C, C, 3, 3], [C]
};

// Upstream: torch.nn.GroupNorm, eps 1e-6
class GroupNorm {
 public:
  GroupNorm(const Weights& w, int64_t channels, int64_t groups, const DecoderKernels& kernels);
  at::Tensor forward(const at::Tensor& x) const;       // [P, C, H, W] -> [P, C, H, W]
  at::Tensor forward_silu(const at::Tensor& x) const;  // likewise, and then SiLU
  // These functions do in two steps what forward_silu() does. The first step computes the statistics: statistics()
  // takes the whole picture, and the object that gather() returns takes one band after the other. The second step is
  // forward_silu_by(), which takes any rows of the picture.
  at::Tensor statistics(const at::Tensor& x) const;  // [P, C, H, W] -> fp32 [P, G, 2]
  GroupStatistics gather() const;
  at::Tensor forward_silu_by(const at::Tensor& statistics,
                             const at::Tensor& x) const;  // fp32 [P, G, 2], [P, C, rows, W] -> [P, C, rows, W]

 private:
  at::Tensor weight_, bias_;  // [C]
  int64_t groups_;
  DecoderKernels kernels_;
};

// Upstream: ResnetBlock2D without time embedding
class Resnet {
 public:
  struct Dims {
    int64_t in;
    int64_t out;
    int64_t groups;
  };
  Resnet(const Weights& w, Dims dims, const DecoderKernels& kernels);
  at::Tensor forward(const at::Tensor& x) const;  // [P, in, H, W] -> [P, out, H, W]
  // Doubles x by `doubling`, and then does what forward() does. A large doubled tensor never exists as a whole: it is
  // computed twice, band by band.
  at::Tensor forward_doubled(at::Tensor x, const Conv& doubling) const;  // [P, in, H, W] -> [P, out, 2 H, 2 W]

 private:
  // Computes the group norm of x, then SiLU, then the convolution. If x is large, it works band by band.
  // [P, C, H, W] -> [P, out, H, W]
  at::Tensor convolve_normed(const GroupNorm& norm, const Conv& conv, const at::Tensor& x) const;

  GroupNorm norm1_, norm2_;
  Conv conv1_, conv2_;
  std::optional<Conv> shortcut_;
  DecoderKernels kernels_;
};

// One head over all pixels. Upstream: Attention of UNetMidBlock2D
class PixelAttention {
 public:
  PixelAttention(const Weights& w, int64_t channels, int64_t groups, const DecoderKernels& kernels);
  at::Tensor forward(const at::Tensor& x) const;  // [P, C, H, W] -> [P, C, H, W]

 private:
  GroupNorm norm_;
  Linear qkv_, output_;
};

// The deepest resolution. Upstream: UNetMidBlock2D
class VaeMiddle {
 public:
  VaeMiddle(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels);
  at::Tensor forward(const at::Tensor& x) const;  // [P, C, H, W] -> [P, C, H, W]

 private:
  Resnet first_, second_;
  std::optional<PixelAttention> attention_;
};

class VaeEncoder {
 public:
  VaeEncoder(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels = DecoderKernels());

  // Returns the mean of the latents' distribution. pixels: -1 .. 1, from any device.
  at::Tensor encode(const at::Tensor& pixels) const;  // [P, 3, H, W] -> [P, C, h, w]
  // Normalises the mean for the DiT: (mean - latents' mean) / std. mean: from any device.
  at::Tensor normalize(const at::Tensor& mean) const;  // [P, C, h, w] -> [P, C, h, w]

 private:
  struct DownBlock {
    std::vector<Resnet> resnets;
    std::optional<Downsample> downsample;
  };
  at::Tensor mean_, std_;  // [1, C, 1, 1]
  Conv conv_in_;
  std::vector<DownBlock> down_blocks_;
  VaeMiddle middle_;
  GroupNorm norm_out_;
  Conv conv_out_;
  std::optional<Conv> quant_;
};

// Returns bytes as the VAE encoder takes them: x / 255 * 2 - 1 in fp32. u8 [P, 3, H, W] -> fp32 [P, 3, H, W]
// Upstream: VaeImageProcessor.preprocess
at::Tensor bytes_to_pixels(const at::Tensor& bytes);

class VaeDecoder {
 public:
  VaeDecoder(const Weights& w, const VaeConfig& c, const DecoderKernels& kernels = DecoderKernels());

  // Denormalises latents of the DiT, from any device, in the VAE's dtype: x * std + mean.
  at::Tensor denormalize(const at::Tensor& latents) const;  // fp32 [P, C, h, w] -> [P, C, h, w]
  // Turns denormalised latents, from any device, into pixels of about -1 .. 1.
  at::Tensor decode(const at::Tensor& scaled) const;  // [P, C, h, w] -> [P, 3, H, W]

 private:
  struct UpBlock {
    std::vector<Resnet> resnets;
    std::optional<Conv> upsample;
  };
  at::Tensor mean_, std_;  // [1, C, 1, 1]
  std::optional<Conv> post_quant_;
  Conv conv_in_;
  VaeMiddle middle_;
  std::vector<UpBlock> up_blocks_;
  GroupNorm norm_out_;
  Conv conv_out_;
};

// Turns pixels into bytes: clamp(x / 2 + 1/2, 0, 1) in x's dtype, then * 255 in fp32, rounded half to even.
// [P, 3, H, W] -> u8 [P, H, W, 3]. Upstream: VaeImageProcessor.postprocess
at::Tensor pixels_to_bytes(const at::Tensor& pixels);

}  // namespace glm
