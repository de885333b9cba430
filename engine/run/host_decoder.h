// Computes the prior on a CPU by our own kernels. A pass over the weights takes several rows. A row is one place in the
// sequence of one picture. Its bits depend neither on the other rows nor on the number of threads.
// Upstream: GlmImageTextModel and the lm_head of GlmImageForConditionalGeneration
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "kernels/host/host_kernels.h"

namespace glm {

// A token that is fed to the prior. Every place before it is in the cache already, or is a row of the same pass.
struct HostRow {
  DecodeState* state = nullptr;  // the picture's, B = 1
  int64_t place = 0;             // the token's place in the sequence, from the prompt's beginning
  int64_t token = 0;
};

class HostDecoder {
 public:
  // transformer: it is on the CPU, its weights are dense or coded, and it has to outlive this object.
  explicit HostDecoder(const PriorTransformer& transformer);
  ~HostDecoder();
  HostDecoder(const HostDecoder&) = delete;
  HostDecoder& operator=(const HostDecoder&) = delete;

  // Writes keys and values of 1 to 16 rows into their caches, and returns their logits: [rows, V], a view that the next
  // call overwrites. poll: called before each layer; may throw to stop. Throws Error(model) for a token that the
  // embedding doesn't have.
  at::Tensor forward(std::span<const HostRow> rows, const std::function<void()>& poll);

 private:
  class Place;

  void embed(std::span<const HostRow> rows);
  void multiply(const at::Tensor& x, const Linear& layer, const at::Tensor& y);
  void norm(const at::Tensor& from, const RmsNorm& norm, const at::Tensor& to);
  void add_normed(const at::Tensor& y, const RmsNorm& norm);
  void place_keys(int64_t layer);
  void attend(int64_t layer);

  const PriorTransformer& transformer_;
  const PriorConfig& c_;
  const host::Kernels& kernels_;
  host::Type type_;
  int64_t rows_ = 0;             // of the current pass
  std::vector<Place> places_;    // of its rows
  at::Tensor residual_, x_;      // fp32 [16, D]
  at::Tensor qkv_, attended_;    // fp32 [16, (Hq + 2 Hkv) * head], [16, Hq * head]
  at::Tensor gate_up_, logits_;  // fp32 [16, 2 * inner], [16, V]
};

}  // namespace glm
