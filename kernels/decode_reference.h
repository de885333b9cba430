// Contract: what the decode kernels compute (kernels/cuda/parameters.h), in ATen's operations on any device, for a new
//   GPU to be checked against. Sums' parts are added in order in fp32, results rounded to bf16 where upstream's tensors
//   are; products are summed in double, a few thousand rows at a time.
//   Upstream: GlmImageTextDecoderLayer, GlmImageTextAttention, GlmImageRMSNorm, GenerationMixin._sample
// Roofline: none; it runs when a build meets a GPU, and its operations' times are what the kernels have to beat.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/sampling.h"

namespace glm {

at::Tensor decode_linear(const at::Tensor& x,        // bf16 [B, in]
                         const at::Tensor& weight);  // bf16 [out, in] -> fp64 [B, out]

// silu(gate) * up
at::Tensor decode_gate_up(const at::Tensor& x,        // bf16 [B, in]
                          const at::Tensor& weight);  // bf16 [2 N, in]: gate, then up -> bf16 [B, N]

struct DecodeAttention {
  at::Tensor qkv;             // fp32 [splits, B, (H + 2 KV) * head]
  at::Tensor bias;            // bf16 [(H + 2 KV) * head], or undefined
  at::Tensor cosines, sines;  // bf16 [B, capacity, R]
  at::Tensor keys, values;    // bf16 [B, KV, capacity, head]: get the new position
  std::vector<int> lengths;   // [B] positions that are there before it
  double scale = 1;
};
// scores: the dtype that scores and their sums are in; bf16 is ATen's fast way.
at::Tensor decode_attention(const DecodeAttention& a, at::ScalarType scores);  // -> bf16 [B, H * head]

struct Normed {
  at::Tensor residual;  // bf16 [B, D]
  at::Tensor x;         // bf16 [B, D]
};
Normed decode_norm(const at::Tensor& y,         // fp32 [splits, B, D]
                   const at::Tensor& post,      // bf16 [D]
                   const at::Tensor& residual,  // bf16 [B, D]
                   const at::Tensor& pre,       // bf16 [D]
                   double eps);
Normed decode_first_norm(const at::Tensor& tokens,     // i32 [B]
                         const at::Tensor& embedding,  // bf16 [V, D]
                         const at::Tensor& pre,        // bf16 [D]
                         double eps);

struct DecodeSample {
  at::Tensor logits;        // fp32 [splits, B, V]
  at::Tensor exponentials;  // fp32 [B, V]
  int64_t codebook = 0;
  bool mask = true;
  bool advance = true;
  SamplingOptions options;
  at::Tensor totals;                   // i32 [B]
  at::Tensor counts, lengths, tokens;  // i32 [B], changed
  at::Tensor written;                  // i32 [B, longest], changed
  at::Tensor not_finite;               // i32 [B], changed
};
void decode_sample(const DecodeSample& s);

}  // namespace glm
