// Contract: softmax(q k^T * scale + bias) v for each head; query head j reads key/value head j / (Hq / Hkv).
//   causal: query i of Lq sees keys 0..i (a prefill; Lq = Lk). bias is added to the scores, -inf or the dtype's lowest
//   hides a key. ATen's fused op is the reference here, as it is upstream's (sdpa).
// Roofline: prior decode: memory, Lk * Hkv * head * 2 * dtype bytes; DiT at 1024x1024: compute, 278 GFLOP a layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

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

}  // namespace glm
