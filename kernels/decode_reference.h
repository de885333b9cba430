// Contract: what the decode kernels compute (kernels/cuda/parameters.h), in ATen's operations, which run on any device.
//   The kernels are checked against it on every new GPU. Parts of sums are added in order in fp32, and results are
//   rounded to bf16 where upstream's tensors are bf16. Products are summed in double, 2,048 rows of the weight at a
//   time.
//   Upstream: GlmImageTextDecoderLayer, GlmImageTextAttention, GlmImageRMSNorm, GenerationMixin._sample
// Roofline: none. It runs when a build meets a GPU for the first time. There the kernels have to keep up with ATen's
//   operations in bf16, too.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/sampling.h"

namespace glm {

at::Tensor decode_linear(const at::Tensor& x,        // bf16 [B, in]
                         const at::Tensor& weight);  // bf16 [out, in] -> fp64 [B, out]

// Returns silu(gate) * up.
at::Tensor decode_gate_up(const at::Tensor& x,        // bf16 [B, in]
                          const at::Tensor& weight);  // bf16 [2 N, in]: gate, then up -> bf16 [B, N]

struct DecodeAttention {
  at::Tensor qkv;             // fp32 [splits, B, (Hq + 2 Hkv) * head]
  at::Tensor bias;            // bf16 [(Hq + 2 Hkv) * head], or undefined
  at::Tensor cosines, sines;  // bf16 [B, capacity, R]
  at::Tensor keys, values;    // bf16 [B, Hkv, capacity, head]: the new position is written
  std::vector<int> lengths;   // [B], positions in the cache before the new one
  double scale = 1;
};
// Writes the new position into keys and values, and attends to it and all before it. Scores and their sums have the
// dtype `scores`; in bf16 ATen is fastest.
at::Tensor decode_attention(const DecodeAttention& a, at::ScalarType scores);  // -> bf16 [B, Hq * head]

struct Normed {
  at::Tensor residual;  // bf16 [B, D]
  at::Tensor x;         // bf16 [B, D]
};
// Returns the new residual, which is residual + norm(y, post), and its norm by `pre`.
Normed decode_norm(const at::Tensor& y,         // fp32 [splits, B, D]
                   const at::Tensor& post,      // bf16 [D]
                   const at::Tensor& residual,  // bf16 [B, D]
                   const at::Tensor& pre,       // bf16 [D]
                   double eps);
// Returns the tokens' embeddings, which begin the residual, and their norm by `pre`.
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
// Draws the next token of each row that has tokens left to write, and writes it down. A row whose logits
// aren't all finite gets token 0, and its not_finite is set.
void decode_sample(const DecodeSample& s);

}  // namespace glm
