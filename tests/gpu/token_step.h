// A token's step of the prior as calls of our kernels, over random weights. Tests and measurements share it.
#pragma once

#include <functional>

#include "kernels/packed_weight.h"
#include "tests/gpu/gpu.h"

namespace glm {

struct StepShape {
  int layers, dim, inner, heads, kv_heads, vocab, codebook, rotary;
};
constexpr StepShape kPublicShape{40, 4096, 13696, 32, 2, 16512, 16384, 64};

struct StepLayer {
  cuda::PackedWeight qkv, o, gate_up, down;
  at::Tensor bias;      // bf16 [(heads + 2 kv_heads) * 128]
  at::Tensor norms[4];  // bf16 [dim]: before attention, after it, before the MLP, after it
};

struct StepWeights {
  StepShape shape;
  std::vector<StepLayer> layers;
  cuda::PackedWeight head;
  at::Tensor embedding;  // bf16 [vocab, dim]
  at::Tensor last_norm;  // bf16 [dim]
};

using MakeWeight = std::function<cuda::PackedWeight(int rows, int inner, PackedWeight::Rows order)>;
StepWeights make_step_weights(const Gpu& gpu, const StepShape& shape, const MakeWeight& make);

// Random tiles and sane scales, of about 0.02: no NaN. `keep` holds the memory.
cuda::PackedWeight random_weight(const Gpu& gpu, cuda::Format format, int rows, int inner,
                                 std::vector<at::Tensor>& keep);
// Of the weights that a step reads, with their scales.
double weight_bytes(const cuda::PackedWeight& weight);
double weight_bytes(const StepWeights& weights);

struct StepOptions {
  int batch = 1;
  int capacity = 0;  // positions of the cache
  int tokens = 0;    // that a row writes
  bool greedy = false;
  bool one_picture = false;  // all rows are positions of one picture
};

// What a step leaves out, to see what the rest takes.
struct StepParts {
  bool attention = true;
  bool norms = true;
  bool sample = true;
};

// Buffers and cache, random where a step reads what none wrote.
class TokenStep {
 public:
  TokenStep(const Gpu& gpu, const StepWeights& weights, const StepOptions& options);

  // Begins again, with `length` positions in the cache of the first row and one fewer in each that follows.
  void reset(int length);
  Calls calls(const StepParts& parts = {}) const;

  const at::Tensor& written() const { return written_; }  // i32 [batch, tokens]
  const at::Tensor& keys() const { return keys_; }        // bf16 [layers, batch, kv_heads, capacity, 128]
  const at::Tensor& values() const { return values_; }
  const at::Tensor& cosines() const { return cosines_; }  // bf16 [batch, capacity, rotary]
  const at::Tensor& sines() const { return sines_; }
  const at::Tensor& logits() const { return logits_; }      // fp32 [splits, batch, vocab]
  const at::Tensor& residual() const { return residual_; }  // bf16 [2, batch, dim]
  const at::Tensor& not_finite() const { return not_finite_; }

 private:
  cuda::Call linear(const cuda::PackedWeight& weight, const at::Tensor& x, const at::Tensor& sums) const;
  cuda::Call norm(const at::Tensor* post, const at::Tensor& pre, int norms) const;
  cuda::Call attention(int layer) const;
  cuda::Call sample() const;
  int splits_of(const cuda::PackedWeight& weight) const;

  const Gpu& gpu_;
  const StepWeights& weights_;
  StepOptions options_;
  at::Tensor x_, residual_, qkv_, attended_, y_, activated_, logits_;
  at::Tensor keys_, values_, cosines_, sines_, partial_, partial_max_;
  at::Tensor seeds_, totals_, counts_, lengths_, pictures_, tokens_, written_, not_finite_;
};

}  // namespace glm
