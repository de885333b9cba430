#include "kernels/decode_reference.h"

#include <ATen/ATen.h>

#include "kernels/attention.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"

namespace glm {
namespace {

constexpr int64_t kRowsAtOnce = 2048;  // rows of a weight that are turned into doubles at a time

at::Tensor added(const at::Tensor& parts) {  // [splits, ...], in order
  at::Tensor sum = parts[0];
  for (int64_t i = 1; i < parts.size(0); ++i) sum = sum + parts[i];
  return sum;
}

}  // namespace

at::Tensor decode_linear(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor wide = x.to(at::kDouble);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& rows : weight.split(kRowsAtOnce)) parts.push_back(at::matmul(wide, rows.to(at::kDouble).t()));
  return at::cat(parts, 1);
}

at::Tensor decode_gate_up(const at::Tensor& x, const at::Tensor& weight) {
  const auto both = decode_linear(x, weight).to(at::kBFloat16).chunk(2, -1);
  return at::silu(both[0]) * both[1];
}

at::Tensor decode_attention(const DecodeAttention& a, at::ScalarType scores) {
  const int64_t kv_heads = a.keys.size(1);
  const int64_t head = a.keys.size(3);
  const int64_t heads = a.qkv.size(2) / head - 2 * kv_heads;
  at::Tensor sum = added(a.qkv);
  if (a.bias.defined()) sum = sum + a.bias.to(at::kFloat);
  const at::Tensor all = sum.to(at::kBFloat16).unflatten(1, {-1, head});
  std::vector<at::Tensor> rows;
  for (int64_t b = 0; b < all.size(0); ++b) {
    const int64_t there = a.lengths[static_cast<size_t>(b)];
    const RotaryTable table = RotaryTable{a.cosines[b], a.sines[b]}.rows(there, there + 1);
    const at::Tensor rotated = rotate(all[b].slice(0, 0, heads + kv_heads).unsqueeze(0), table);  // [1, Hq + Hkv, head]
    a.keys[b].select(1, there).copy_(rotated[0].slice(0, heads));
    a.values[b].select(1, there).copy_(all[b].slice(0, heads + kv_heads));
    const auto cached = [&](const at::Tensor& cache) {  // [1, Lk, Hkv, head]
      return cache[b].slice(1, 0, there + 1).transpose(0, 1).unsqueeze(0).to(scores);
    };
    const at::Tensor q = rotated.slice(1, 0, heads).unsqueeze(0).to(scores);
    rows.push_back(attention(q, cached(a.keys), cached(a.values), {.scale = a.scale, .causal = false, .bias = {}})[0]);
  }
  return at::cat(rows).to(at::kBFloat16);
}

Normed decode_norm(const at::Tensor& y, const at::Tensor& post, const at::Tensor& residual, const at::Tensor& pre,
                   double eps) {
  const at::Tensor sum = residual + rms_norm(added(y).to(at::kBFloat16), post, eps);
  return {sum, rms_norm(sum, pre, eps)};
}

Normed decode_first_norm(const at::Tensor& tokens, const at::Tensor& embedding, const at::Tensor& pre, double eps) {
  const at::Tensor residual = embedding.index_select(0, tokens);
  return {residual, rms_norm(residual, pre, eps)};
}

void decode_sample(const DecodeSample& s) {
  const at::Tensor logits = added(s.logits).to(at::kBFloat16);
  const int64_t vocab = logits.size(1);
  for (int64_t b = 0; b < logits.size(0); ++b) {
    const auto count = s.counts[b].item<int>();
    const auto total = s.totals[b].item<int>();
    if (count >= total) continue;
    const at::Tensor own = logits.slice(0, b, b + 1);
    at::Tensor token = at::zeros({1}, own.options().dtype(at::kLong));
    if (at::isfinite(own).all().item<bool>()) {
      const int64_t legal = s.mask && count + 1 < total ? s.codebook : vocab;
      token = sample(own, s.exponentials.slice(0, b, b + 1), legal, s.options);
    } else {
      s.not_finite[b].fill_(1);
    }
    s.tokens.slice(0, b, b + 1).copy_(token);
    s.written[b].slice(0, count, count + 1).copy_(token);
    s.counts[b].add_(1);
    s.lengths[b].add_(s.advance ? 1 : 0);
  }
}

}  // namespace glm
