// Writes the prior's tokens by our CUDA kernels, one token of each picture in a pass. The passes follow each other on
// the GPU by themselves. The host reads back the tokens, in blocks, and a few counters.
// Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "engine/run/device_decoder.h"
#include "engine/run/token_rules.h"
#include "kernels/cuda/library.h"
#include "kernels/random.h"

namespace glm {

class TokenWriter {
 public:
  // Queues the first token of each picture. transformer: packed; it and the library have to outlive this. pictures: 1
  // to 16. Throws Error(memory) when the GPU has too little, and Error(internal) when a kernel fails.
  TokenWriter(const PriorTransformer& transformer, const cuda::Library& library,
              const std::vector<DevicePicture>& pictures, const TokenRules& rules);
  ~TokenWriter();
  TokenWriter(const TokenWriter&) = delete;
  TokenWriter& operator=(const TokenWriter&) = delete;

  // Writes the tokens of each picture. Returns i64 [1, n] for each, on the CPU; n = cells + 1, less where an unmasked
  // picture ended early. May be called once. done: called after each block (32 tokens of each picture) with the number
  // of tokens that all pictures have together; may throw to stop. Throws Error(model) when logits are not finite.
  std::vector<at::Tensor> run(const std::function<void(int64_t)>& done);

 private:
  struct ReadBack;  // tokens on their way to the host

  void queue(int64_t steps);
  void draw_exponentials();
  at::Tensor ends_in(const at::Tensor& ids) const;
  bool see(const ReadBack& block, const std::function<void(int64_t)>& done) const;

  TokenRules rules_;
  int64_t pictures_;
  std::vector<int64_t> totals_;                     // tokens that each picture writes
  std::vector<std::unique_ptr<CpuRandom>> random_;  // each picture's stream; with --rng cpu
  DeviceDecoder decoder_;
};

}  // namespace glm
