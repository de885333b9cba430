// Writes the prior's tokens by our CUDA kernels. One graph computes a token for every row of a batch. The host reads
// back the tokens, in blocks, and a few counters.
// Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "engine/run/token_rules.h"
#include "glm/rng.h"
#include "kernels/cuda/library.h"

namespace glm {

// A row of the batch. Its prompt has been fed, and this is what came out.
struct DecodeRow {
  std::shared_ptr<const DecodeState> prompt;  // B = 1, with the positions of prompt and grids; rows may share it
  at::Tensor logits;                          // [1, V] of the prompt's last position
  int64_t cells = 0;                          // image tokens to write; one more token, normally the end, follows
  Rng rng = Rng::cuda;
  uint64_t seed = 0;
};

class TokenWriter {
 public:
  // Says whether the kernels fit a model of these shapes. They need 16 query heads for each key/value head, heads of
  // 128, rows in tiles of 16, and sizes within the limits of kernels/cuda/parameters.h.
  static bool fits(const PriorConfig& c);

  // Queues the first token of each row. transformer: packed; it has to outlive this. Throws Error(memory) when the GPU
  // has too little, and Error(internal) when a kernel fails.
  TokenWriter(const PriorTransformer& transformer, const std::vector<DecodeRow>& rows, const TokenRules& rules);
  ~TokenWriter();
  TokenWriter(const TokenWriter&) = delete;
  TokenWriter& operator=(const TokenWriter&) = delete;

  // Writes the tokens of each row. Returns i64 [1, n] for each, on the CPU; n = cells + 1, less where an unmasked row
  // ended early. May be called once. done: called after each block (32 tokens of each row) with the number of tokens
  // that all rows have together; may throw to stop. Throws Error(model) when logits are not finite.
  std::vector<at::Tensor> run(const std::function<void(int64_t)>& done);

 private:
  struct Memory;    // what the kernels read and write
  struct ReadBack;  // tokens on their way to the host

  void describe_step();
  int splits_of(const Linear& layer) const;
  int add_product(const Linear& layer, const at::Tensor& x, const at::Tensor& sums);
  void add_norm(int splits, const at::Tensor& post, const at::Tensor& pre);
  void add_attention(const PriorLayer& layer, int64_t index, int qkv_splits);
  void add_sample(int splits);
  void queue(int64_t steps);
  void draw_exponentials();
  at::Tensor ends_in(const at::Tensor& ids) const;
  bool see(const ReadBack& block, const std::function<void(int64_t)>& done) const;

  const PriorTransformer& transformer_;
  TokenRules rules_;
  std::unique_ptr<Memory> memory_;
  std::vector<cuda::Call> step_;  // what computes one token
  int norms_ = 0;                 // norms in step_ so far
  void* graph_ = nullptr;         // step_ as a graph
};

}  // namespace glm
