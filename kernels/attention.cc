#include "kernels/attention.h"

#include <ATen/ATen.h>

namespace glm {
namespace {

// On Hopper and Blackwell ATen gives half precision to cuDNN, which builds a plan for every shape it hasn't seen: 20 to
// 400 ms on the host, and a decoding prior has a new length each token. Below this much work no plan is worth its
// building.
constexpr double kFlopsWorthAPlan = 5e10;

bool without_plan(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double flops = 4.0 * static_cast<double>(q.numel()) * static_cast<double>(k.size(1));
  return !q.is_cpu() && at::isReducedFloatingType(q.scalar_type()) && flops < kFlopsWorthAPlan &&
         q.size(3) == v.size(3) && q.size(3) % 8 == 0 && q.size(3) <= 256;  // what the flash kernels take
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  const bool grouped = q.size(2) != k.size(2);
  const at::Tensor queries = q.transpose(1, 2);
  const at::Tensor keys = k.transpose(1, 2);
  const at::Tensor values = v.transpose(1, 2);
  at::Tensor out;
  if (!without_plan(q, k, v)) {
    out = at::scaled_dot_product_attention(queries, keys, values, options.bias, /*dropout_p=*/0.0, options.causal,
                                           options.scale, /*enable_gqa=*/grouped);
  } else if (options.bias) {  // flash takes none; scores of this size fit beside the rest
    out = std::get<0>(at::_scaled_dot_product_attention_math(queries, keys, values, options.bias, /*dropout_p=*/0.0,
                                                             options.causal, /*dropout_mask=*/{}, options.scale,
                                                             /*enable_gqa=*/grouped));
  } else {
    out = std::get<0>(at::_scaled_dot_product_flash_attention(queries, keys, values, /*dropout_p=*/0.0, options.causal,
                                                              /*return_debug_mask=*/false, options.scale));
  }
  return out.transpose(1, 2).flatten(2);
}

}  // namespace glm
