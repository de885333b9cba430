#include "engine/components/image_tokenizer.h"

#include <ATen/ATen.h>

#include "kernels/linear.h"

namespace glm {
namespace {

// Upstream: torch.nn.functional.normalize with its default eps. [..., E] -> [..., E]
at::Tensor normalize(const at::Tensor& x) {
  return x / x.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace

ImageTokenizer::ImageTokenizer(const Weights& w, const CodebookConfig& c)
    : weight_((w / "quant_conv").tensor("weight", {c.dim, c.features, 1, 1}).flatten(1)),
      bias_((w / "quant_conv").tensor("bias", {c.dim})),
      entries_(normalize((w / "quantize.embedding").tensor("weight", {c.entries, c.dim}))),
      squares_(entries_.pow(2).sum(1)) {
  w.leave("post_quant_conv");
}

at::Tensor ImageTokenizer::forward(const at::Tensor& features, Grid grid, const Tap& tap) const {
  const at::Tensor own = linear_layer(features.to(weight_.device()), weight_, bias_);  // [N, E]
  tap.full("quant_conv", own.t().unflatten(1, {grid.height, grid.width}).unsqueeze(0));
  const at::Tensor z = normalize(own);
  // Each operation is rounded to the model's dtype as upstream's is. In bf16 many distances are equal, so the rounding
  // decides which entry is the first.
  const at::Tensor distances = z.pow(2).sum(1, /*keepdim=*/true) + squares_ - 2 * linear_layer(z, entries_, {});
  return distances.argmin(1);
}

}  // namespace glm
