// What the decode kernels are told: plain structs, no type of LibTorch or CUDA. All pointers are device memory.
#pragma once

#include <stdint.h>

#include "kernels/cuda/formats.h"

namespace glm::cuda {

using bf16_bits = uint16_t;

constexpr int kMaxBatch = 16;
constexpr int kHeadDim = 128;    // the widest head
constexpr int kGroupHeads = 16;  // at most so many query heads share a key/value head
constexpr int kChunk = 64;       // positions of the cache that a team attends to at a time
constexpr int kMaxDim = 4096;    // the widest row of a norm
constexpr int kMaxVocab = 17 * 1024;
constexpr int kMaxStreams = 168;           // products in a launch
constexpr int kStagedNumbers = 14 * 1024;  // numbers of an x that fit into a block's shared memory

// A weight [rows, inner], packed as kernels/cuda/formats.h draws it.
struct PackedWeight {
  const void* tiles;
  const float* row_scales;       // [rows] as they lie in the tiles; null in a format without them
  const uint32_t* group_scales;  // [rows / 16, groups, 8, …]; null in a format without them
  int rows;                      // a multiple of 16
  int inner;                     // a multiple of 64: padded
  int group;                     // columns of a group: 128 of int4, 16, 32, 64 or 128 of codes; 0 without groups
  Format format;
};

// y = W x for each row of the batch.
struct LinearParams {
  PackedWeight weight;
  const bf16_bits* x;  // [batch, x_stride], zeros from the true inner size to weight.inner
  int x_stride;        // a multiple of 8, >= weight.inner
  int batch;           // 1 .. 16
  int splits;          // parts of the inner size that different teams work on: 1, 2, 4 or 8; 1 with `activated`
  float* sums;         // [splits, batch, sums_stride]; or null, and `activated` is written instead
  int sums_stride;     // at least weight.rows: other products may write what else lies in a row
  // [batch, activated_stride]: silu(gate) * up of a gate|up weight
  bf16_bits* activated;
  int activated_stride;
};

// One layer's attention. Each row of the batch is a new token of a picture.
struct AttentionParams {
  const float* qkv;  // [qkv_splits, batch, (heads + 2 kv_heads) * head_dim]; heads is kv_heads * group
  int qkv_splits;
  const bf16_bits* bias;     // [(heads + 2 kv_heads) * head_dim], or null
  const bf16_bits* cosines;  // [pictures, capacity, rotary]; rotary is a power of two from 8 to head_dim
  const bf16_bits* sines;
  bf16_bits* keys;     // [pictures, kv_heads, capacity, head_dim]: the new positions are written
  bf16_bits* values;   // likewise
  const int* lengths;  // [batch], positions in the cache before the row's; only `sample` may change them
  // [batch], the picture of each row. A picture may have several rows, each at its own position. A row also attends to
  // the rows of its picture whose positions come before. Null means that each row is a picture of its own.
  const int* pictures;
  float* partial;      // [batch, kv_heads, chunks, 16, 128]
  float* partial_max;  // [batch, kv_heads, chunks, 2, 16]: the largest score, then the sum of weights
  bf16_bits* out;      // [batch, out_stride]
  int out_stride;
  int head_dim;  // a multiple of 8, at most kHeadDim
  int group;     // query heads that share a key/value head, at most kGroupHeads
  // capacity: one more than the longest row's positions, because a row that has ended keeps writing behind its end.
  // chunks: at least capacity / 64 + 1.
  int batch, kv_heads, capacity, rotary, chunks;
  float scale;
};

// residual = before + norm(y, post) and x = norm(residual, pre). With `tokens`, residual = embedding[token] instead.
struct NormParams {
  const float* y;  // [splits, batch, dim]
  int splits;
  const bf16_bits* post_weight;  // [dim]
  const int* tokens;             // [batch], or null; with it y, post_weight and before aren't read
  const bf16_bits* embedding;    // [., dim]
  const bf16_bits* before;       // [batch, dim]: the residual so far
  bf16_bits* residual;           // [batch, dim]: written; may be `before`
  const bf16_bits* pre_weight;   // [dim]
  bf16_bits* x;                  // [batch, x_stride]
  int x_stride, batch, dim;
  // If it isn't 0, each block computes all of x and leaves it in its shared memory for the product that follows in the
  // launch. own_x is the number of numbers there: behind x come zeros. Only the library sets it, and it doesn't write x
  // to device memory then, so a caller can't rely on x.
  int own_x;
  float eps;
};

struct SampleParams {
  const float* logits;  // [splits, batch, vocab]
  int splits, batch, vocab;
  int codebook;  // ids below it are image tokens
  float temperature;
  float dropped_mass;  // 1 - top_p; negative: no top-p
  int top_k;           // 0: off
  int greedy;
  int mask;                   // not 0: ids >= codebook can't be drawn before a row's last token
  const uint64_t* seeds;      // [batch]
  const float* exponentials;  // [batch, vocab] of this token; null: the kernel draws them as --rng cuda does
  const int* totals;          // [batch], tokens that a row writes in all
  int* counts;                // [batch], tokens that it has written
  int* lengths;               // [batch], positions in the cache
  int* tokens;                // [batch], the latest token
  int* written;               // [batch, written_stride], all tokens; null: counts and lengths aren't changed either
  int written_stride;
  int* not_finite;  // [batch], set to 1 where a logit is NaN or infinite
  int advance;      // by how much lengths grow: 1; 0 for the first token, whose logits are the prompt's
};

}  // namespace glm::cuda
