#include "kernels/attention.h"

#include <ATen/ATen.h>

namespace glm {
namespace {

// On Hopper and Blackwell ATen hands attention in half precision to cuDNN, which builds a plan for every shape that it
// hasn't seen. That takes 20 to 400 ms on the host, and a prior that writes tokens has a new length for each of them.
// For less work than this, cuDNN gains less than its plan costs.
constexpr double kFlopsWorthAPlan = 5e10;

// Whether ATen's flash kernels on a GPU take these.
bool flash_takes(const at::Tensor& q, const at::Tensor& v) {
  return !q.is_cpu() && at::isReducedFloatingType(q.scalar_type()) && q.size(3) == v.size(3) && q.size(3) % 8 == 0 &&
         q.size(3) <= 256;
}

bool without_plan(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double flops = 4.0 * static_cast<double>(q.numel()) * static_cast<double>(k.size(1));
  return flash_takes(q, v) && flops < kFlopsWorthAPlan;
}

// What attending to one sequence gives: its result, and the logarithm of the sum of its weights.
struct Attended {
  at::Tensor out;  // [B, H, Lq, head]
  at::Tensor log;  // fp32 [B, H, Lq]
};

Attended attend(const at::Tensor& q, const KeyValues& sequence, double scale) {
  const at::Tensor queries = q.transpose(1, 2);
  const at::Tensor keys = sequence.k.transpose(1, 2);
  const at::Tensor values = sequence.v.transpose(1, 2);
  if (q.is_cpu()) {
    const auto result = at::_scaled_dot_product_flash_attention_for_cpu(queries, keys, values, /*dropout_p=*/0.0,
                                                                        /*is_causal=*/false, /*attn_mask=*/{}, scale);
    return {std::get<0>(result), std::get<1>(result).to(at::kFloat)};
  }
  if (flash_takes(q, sequence.v)) {
    const auto result =
        at::_scaled_dot_product_flash_attention(queries, keys, values, /*dropout_p=*/0.0,
                                                /*is_causal=*/false, /*return_debug_mask=*/false, scale);
    return {std::get<0>(result), std::get<1>(result)};
  }
  const at::Tensor scores = at::matmul(queries, keys.transpose(2, 3)).to(at::kFloat) * scale;  // [B, H, Lq, Lk]
  return {at::matmul(at::softmax(scores, -1).to(values.scalar_type()), values), at::logsumexp(scores, {-1})};
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const std::vector<KeyValues>& sequences, double scale) {
  if (sequences.size() == 1) return attention(q, sequences[0].k, sequences[0].v, {.scale = scale, .bias = {}});
  std::vector<Attended> parts;
  std::vector<at::Tensor> logs;
  for (const KeyValues& sequence : sequences) {
    parts.push_back(attend(q, sequence, scale));
    logs.push_back(parts.back().log);
  }
  const at::Tensor share = at::softmax(at::stack(logs), 0).unsqueeze(-1);  // [sequences, B, H, Lq, 1]
  at::Tensor out = parts[0].out.to(at::kFloat) * share[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    out.add_(parts[i].out.to(at::kFloat) * share[static_cast<int64_t>(i)]);
  }
  return out.to(q.scalar_type()).transpose(1, 2).flatten(2);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  const bool grouped = q.size(2) != k.size(2);
  const at::Tensor queries = q.transpose(1, 2);
  const at::Tensor keys = k.transpose(1, 2);
  const at::Tensor values = v.transpose(1, 2);
  at::Tensor out;
  if (!without_plan(q, k, v)) {
    out = at::scaled_dot_product_attention(queries, keys, values, options.bias, /*dropout_p=*/0.0, options.causal,
                                           options.scale, /*enable_gqa=*/grouped);
  } else if (options.bias) {  // flash takes no bias; the scores of so few operations fit into memory
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
