#include "kernels/attention.h"

#include <ATen/ATen.h>

namespace glm {

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  const bool grouped = q.size(2) != k.size(2);
  const at::Tensor out =
      at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), options.bias,
                                       /*dropout_p=*/0.0, options.causal, options.scale, /*enable_gqa=*/grouped);
  return out.transpose(1, 2).flatten(2);
}

}  // namespace glm
