// What our CUDA kernels read and write for some pictures, and the calls that make up a pass: one new token for each of
// its rows.
// Upstream: GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "engine/run/token_rules.h"
#include "glm/rng.h"
#include "kernels/cuda/library.h"

namespace glm {

// A picture whose prompt has been fed.
struct DevicePicture {
  std::shared_ptr<const DecodeState> prompt;  // B = 1, with the positions of prompt and grids; pictures may share it
  at::Tensor logits;                          // [1, V] of the prompt's last position
  int64_t cells = 0;                          // image tokens to write; one more token, normally the end, follows
  Rng rng = Rng::cuda;
  uint64_t seed = 0;
};

class DeviceDecoder {
 public:
  // Says whether the kernels fit a model of these shapes. They need at most 16 query heads for each key/value head,
  // heads of at most 128, rows in tiles of 16, and sizes within the limits of kernels/cuda/parameters.h.
  static bool fits(const PriorConfig& c);

  // one_of_each: a pass has a row for each picture, and the kernels count and write down what they draw. several: a
  // pass has up to 16 rows, which are those of `state`. The kernels change only tokens and not_finite there.
  enum class Pass { one_of_each, several };

  // transformer: has packed weights. It and the library have to outlive this object. pictures: 1 to 16. The constructor
  // throws Error(memory) if the GPU's memory is too small.
  DeviceDecoder(const PriorTransformer& transformer, const cuda::Library& library,
                const std::vector<DevicePicture>& pictures, const TokenRules& rules, Pass pass);
  ~DeviceDecoder();
  DeviceDecoder(const DeviceDecoder&) = delete;
  DeviceDecoder& operator=(const DeviceDecoder&) = delete;

  // What the kernels count and write for each row: i32 [rows].
  enum State { kCounts, kLengths, kTokens, kTotals, kNotFinite, kPictures, kStates };
  at::Tensor state;         // i32 [kStates, rows]; at the beginning row k is the state of picture k
  at::Tensor seeds;         // i64 [rows]
  at::Tensor written;       // i32 [pictures, longest], the tokens; not used by passes with several rows of a picture
  at::Tensor exponentials;  // fp32 [rows, V] of the tokens that a pass draws; only with --rng cpu

  // Queues the draw of each picture's first token, from the prompts' logits.
  void draw_first();

  // Records a pass of so many rows, unless it has been recorded before. Throws Error(internal) when a kernel fails.
  void record(int64_t rows);
  // Queues the recorded pass of this number of rows, `times` times.
  void replay(int64_t rows, int64_t times);

 private:
  struct Memory;
  class Step;

  const PriorTransformer& transformer_;
  const cuda::Library& library_;
  TokenRules rules_;
  Pass pass_;
  std::unique_ptr<Memory> memory_;
  std::vector<void*> graphs_;  // by rows
};

}  // namespace glm
