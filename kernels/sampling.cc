#include "kernels/sampling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace glm {
namespace {

constexpr double kRemoved = -std::numeric_limits<double>::infinity();

at::Tensor top_p_scores(const at::Tensor& scores, double top_p) {
  const auto [sorted, order] = scores.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/false);
  at::Tensor remove = sorted.softmax(-1).cumsum(-1).le(1 - top_p);
  remove.slice(-1, -1).fill_(false);  // the likeliest always stays
  return scores.masked_fill(remove.scatter(1, order, remove), kRemoved);
}

}  // namespace

at::Tensor process_logits(const at::Tensor& logits, const SamplingOptions& options) {
  at::Tensor scores = logits.to(at::kFloat) / options.temperature;
  if (options.top_k > 0) {
    const int64_t kept = std::min(options.top_k, scores.size(-1));
    const at::Tensor kth = std::get<0>(scores.topk(kept)).slice(-1, -1);
    scores = scores.masked_fill(scores < kth, kRemoved);
  }
  return options.top_p < 1.0 ? top_p_scores(scores, options.top_p) : scores;
}

at::Tensor sample(const at::Tensor& logits, const at::Tensor& exponential, int64_t legal,
                  const SamplingOptions& options) {
  if (options.greedy) return logits.slice(-1, 0, legal).argmax(-1);
  const at::Tensor scores = process_logits(logits, options);
  at::Tensor p = scores.softmax(-1);
  p.slice(-1, legal).zero_();
  const at::Tensor empty = p.sum(-1, /*keepdim=*/true) == 0;
  if (empty.any().item<bool>()) {
    at::Tensor masked = logits.to(at::kFloat).clone();
    masked.slice(-1, legal).fill_(kRemoved);
    p = at::where(empty, process_logits(masked, options).softmax(-1), p);
  }
  return (p / exponential).argmax(-1);
}

}  // namespace glm
