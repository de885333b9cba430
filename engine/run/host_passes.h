// Writes the prior's tokens on a CPU by our own kernels. A pass over the weights serves up to 16 pictures. With
// look-ahead it serves several positions of each.
// Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "engine/run/host_decoder.h"
#include "engine/run/look_ahead.h"
#include "engine/run/token_rules.h"
#include "kernels/host/sample.h"
#include "kernels/random.h"

namespace glm {

// A picture whose prompt has been fed.
struct HostPicture {
  DecodeState* state = nullptr;  // B = 1, with room for the prompt and the grids
  at::Tensor logits;             // [1, V] of the prompt's last position
  int64_t cells = 0;             // image tokens to write; one more token, normally the end, follows
  RandomNumbers random;
};

class HostTokenWriter {
 public:
  struct Options {
    int64_t rows = 0;  // of each picture in a pass; 0: what turns out to be fastest
    bool keeps_logits = false;
  };
  struct Written {
    at::Tensor tokens;  // i64 [1, n]; n = cells + 1, less where an unmasked picture ended early
    at::Tensor logits;  // [1, n, V] of these tokens, if they are kept
  };

  // Draws the first token of each picture from its prompt's logits. transformer: on the CPU; it has to outlive this.
  // pictures: 1 to 16.
  HostTokenWriter(const PriorTransformer& transformer, std::vector<HostPicture> pictures, const TokenRules& rules,
                  const Options& options);

  ~HostTokenWriter();
  HostTokenWriter(const HostTokenWriter&) = delete;
  HostTokenWriter& operator=(const HostTokenWriter&) = delete;

  // Writes the tokens of each picture. May be called once. done: called at the beginning and after each pass with the
  // number of tokens that all pictures have together; may throw to stop. poll: called several times in a pass; may
  // throw to stop. Throws Error(model) when logits are not finite.
  std::vector<Written> run(const std::function<void(int64_t)>& done, const std::function<void()>& poll);

  int64_t passes() const { return passes_; }  // over the weights

 private:
  struct Picture;

  void pass(const std::function<void()>& poll);
  std::vector<int64_t> draw(Picture& picture, const at::Tensor& logits);
  void accept(Picture& picture, const std::vector<int64_t>& drawn, int64_t accepted, const at::Tensor& logits);
  const float* exponential(Picture& picture, int64_t ahead, int64_t ids) const;

  TokenRules rules_;
  bool keeps_logits_;
  HostDecoder decoder_;
  RowChooser chooser_;
  host::Sampler sampler_;
  bool is_finite_ = true;  // all logits that were accepted
  std::vector<Picture> pictures_;
  int64_t passes_ = 0;
};

}  // namespace glm
