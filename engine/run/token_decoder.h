// The prior's decoding by our CUDA kernels: a token of every row of a batch is one graph, and nothing of it
// comes back to the host but the tokens, in blocks. Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "glm/rng.h"
#include "kernels/cuda/library.h"
#include "kernels/sampling.h"

namespace glm {

// A row of the batch: its prompt has been fed, and this is what came out.
struct DecodeRow {
  std::shared_ptr<const DecodeState> prompt;  // of one row, positions of prompt and grids; rows may share it
  at::Tensor logits;                          // [1, V] of the prompt's last position
  int64_t cells = 0;                          // image tokens to write; one more token, normally the end, follows
  Rng rng = Rng::cuda;
  uint64_t seed = 0;
};

class TokenDecoder {
 public:
  struct Options {
    SamplingOptions sampling;
    int64_t codebook = 0;
    bool mask = true;  // only image tokens until a row's last
    int64_t eos = -1;  // where a row that isn't masked ends
  };

  // Can the kernels decode a model of these shapes? Head groups of 16, heads of 128, rows in tiles of 16.
  static bool fits(const PriorConfig& c);

  // transformer: packed. Throws Error(internal) when the kernels refuse.
  TokenDecoder(const PriorTransformer& transformer, const std::vector<DecodeRow>& rows, const Options& options);
  ~TokenDecoder();
  TokenDecoder(const TokenDecoder&) = delete;
  TokenDecoder& operator=(const TokenDecoder&) = delete;

  // Tokens of each row: i64 [1, n] on the CPU, n = cells + 1, fewer where an unmasked row ended early. done: called
  // every 32 tokens with how many all rows have; may throw to stop. Throws Error(model) when logits are not
  // finite.
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
  bool see(const ReadBack& block, const std::function<void(int64_t)>& done) const;

  const PriorTransformer& transformer_;
  Options options_;
  std::unique_ptr<Memory> memory_;
  std::vector<cuda::Call> step_;
  int norms_ = 0;  // of the step, so far
  void* graph_ = nullptr;
};

}  // namespace glm
