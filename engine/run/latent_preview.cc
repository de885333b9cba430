#include "engine/run/latent_preview.h"

#include <ATen/ATen.h>

namespace glm {
namespace {

constexpr int64_t kSide = 128;  // pixels a side of a picture that the map is fitted to

// Returns pictures of coloured patches of 64, 32 and 16 pixels, two pictures of each size: fp32 [6, 3, kSide, kSide],
// -1 .. 1. The colours are the low-discrepancy sequence of the plastic number, the same each time.
at::Tensor patches() {
  std::vector<at::Tensor> pictures;
  int64_t n = 0;
  for (const int64_t patch : {64, 64, 32, 32, 16, 16}) {
    const int64_t cells = (kSide / patch) * (kSide / patch);
    const at::Tensor count = at::arange(n + 1, n + 1 + cells, at::kDouble);
    n += cells;
    std::vector<at::Tensor> channels;
    for (const double step : {0.8191725134, 0.6710436067, 0.5497004779}) {
      const at::Tensor colour = at::frac(count * step).view({kSide / patch, kSide / patch});
      channels.push_back(colour.repeat_interleave(patch, 0).repeat_interleave(patch, 1));
    }
    pictures.push_back(at::stack(channels));
  }
  return (at::stack(pictures) * 2 - 1).to(at::kFloat);
}

// [P, C, h, w] -> fp64 [P * h * w, C] on the CPU
at::Tensor rows(const at::Tensor& x) {
  return x.to(at::kCPU, at::kDouble).permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
}

// [n, C] -> [n, C + 1], with a last column of ones
at::Tensor with_one(const at::Tensor& x) {
  return at::cat({x, at::ones({x.size(0), 1}, x.options())}, 1);
}

}  // namespace

LatentPreview::LatentPreview(const VaeEncoder& encoder, const VaeDecoder& vae_decoder, const VaeConfig& c) {
  const at::Tensor latents = encoder.encode(patches());
  const at::Tensor pixels = vae_decoder.decode(latents).to(at::kFloat);
  const at::Tensor from = with_one(rows(latents));
  const at::Tensor to = rows(at::avg_pool2d(pixels, c.pixels_per_latent()));
  // A small multiple of the identity keeps the equations solvable when a channel never changes.
  const at::Tensor square = at::mm(from.t(), from);
  const at::Tensor ridge = at::eye(square.size(0), square.options()) * (1e-6 * square.trace() + 1e-9);
  map_ = at::linalg_solve(square + ridge, at::mm(from.t(), to)).to(at::kFloat);
}

Image LatentPreview::image(const at::Tensor& scaled) const {
  const at::Tensor colour = at::mm(with_one(rows(scaled)).to(at::kFloat), map_);
  const at::Tensor bytes = at::nan_to_num(colour / 2 + 0.5).clamp(0, 1).mul(255).round().to(at::kByte).contiguous();
  const auto* data = bytes.const_data_ptr<uint8_t>();
  return {scaled.size(3), scaled.size(2), {data, data + bytes.numel()}};
}

}  // namespace glm
