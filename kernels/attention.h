// Contract: softmax(q k^T * scale + bias) v for each head; query head j reads key/value head j / (Hq / Hkv).
//   causal: query i of Lq sees keys 0..i (a prefill; Lq = Lk). bias is added to the scores, -inf or the dtype's lowest
//   hides a key. ATen's fused op is the reference here, as it is upstream's (sdpa).
// Roofline: prior decode: memory, Lk * Hkv * head * 2 * dtype bytes; DiT at 1024x1024: compute, 278 GFLOP a layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace glm {

struct AttentionOptions {
  double scale = 1.0;
  bool causal = false;
  std::optional<at::Tensor> bias;  // [B or 1, Hq, Lq, Lk]
};

at::Tensor attention(const at::Tensor& q,               // [B, Lq, Hq, head]
                     const at::Tensor& k,               // [B, Lk, Hkv, head]
                     const at::Tensor& v,               // [B, Lk, Hkv, head]
                     const AttentionOptions& options);  // -> [B, Lq, Hq * head]

// A sequence that is attended to.
struct KeyValues {
  at::Tensor k;  // [B, Lk, H, head]
  at::Tensor v;  // [B, Lk, H, head]
};

// Contract: attention(q, all keys, all values, scale) as if the sequences stood one after the other, without putting
// them
//   there: each is attended to by itself, and the results are averaged by the sums of their weights, in fp32.
// Roofline: compute, as above; the average reads and writes Lq * H * head fp32 for each sequence.
at::Tensor attention(const at::Tensor& q,                      // [B, Lq, H, head]
                     const std::vector<KeyValues>& sequences,  // one or more
                     double scale);                            // -> [B, Lq, H * head]

}  // namespace glm
