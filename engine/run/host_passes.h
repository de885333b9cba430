// Passes on a CPU, by our own kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "engine/run/host_decoder.h"
#include "engine/run/look_ahead_writer.h"
#include "engine/run/position_numbers.h"
#include "engine/run/token_rules.h"
#include "kernels/host/sample.h"

namespace glm {

// A picture whose prompt has been fed.
struct HostPicture {
  DecodeState* state = nullptr;  // B = 1, with room for the prompt and the grids
  at::Tensor logits;             // [1, V] of the prompt's last position
  int64_t cells = 0;             // image tokens to write; one more token, normally the end, follows
  PositionNumbers numbers;
};

class HostPasses : public RowPasses {
 public:
  // transformer: on the CPU; it has to outlive this. pictures: 1 to 16. keeps_logits: keep those of what is written.
  HostPasses(const PriorTransformer& transformer, std::vector<HostPicture> pictures, const TokenRules& rules,
             bool keeps_logits);
  ~HostPasses() override;
  HostPasses(const HostPasses&) = delete;
  HostPasses& operator=(const HostPasses&) = delete;

  std::vector<Draw> draw_first() override;
  void prepare(int64_t) override {}
  std::vector<Draw> draw(std::span<const PassRow> rows, const std::function<void()>& poll) override;
  void accept(int64_t picture, int64_t first, int64_t count) override;

  // Returns the logits of a picture's tokens, [1, n, V], or an undefined tensor where they aren't kept.
  at::Tensor logits_of(int64_t picture) const;

 private:
  struct Picture;

  Draw draw_from(int64_t row, const PassRow& position);

  TokenRules rules_;
  bool keeps_logits_;
  HostDecoder decoder_;
  host::Sampler sampler_;
  std::vector<Picture> pictures_;
  at::Tensor logits_;  // fp32 [rows, V] of the last pass
};

}  // namespace glm
