// Contract: softmax(q k^T * scale + bias) v for each head; query head j reads key/value head j / (Hq / Hkv). With
//   `causal`, query i of Lq sees the keys 0..i; that is a prefill, and Lq = Lk. `bias` is added to the scores; -inf, or
//   the dtype's lowest number, hides a key. ATen's fused op is the reference here, as it is upstream's (sdpa).
// Roofline: when the prior writes a token: memory, Lk * Hkv * head * 2 * dtype bytes; in the DiT at 1024x1024: compute,
//   278 GFLOP a layer.
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

// Contract: what attention(q, all keys, all values, scale) gives when the sequences stand one after the other. They
//   aren't put together: each is attended to by itself, and the results are averaged in fp32, each by its share in
//   the sum of all weights.
// Roofline: compute, as above; the average reads and writes Lq * H * head fp32 for each sequence.
at::Tensor attention(const at::Tensor& q,                      // [B, Lq, H, head]
                     const std::vector<KeyValues>& sequences,  // one or more
                     double scale);                            // -> [B, Lq, H * head]

}  // namespace glm
