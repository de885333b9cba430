// Writes the prior's tokens on a CPU by our own kernels, for up to 16 pictures in each pass over the weights, and with
// look-ahead for several positions of each.
// Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "engine/run/host_decoder.h"
#include "engine/run/look_ahead.h"
#include "kernels/host/sample.h"
#include "kernels/random.h"
#include "kernels/sampling.h"

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
    SamplingOptions sampling;
    int64_t codebook = 0;      // ids below it are image tokens
    bool mask = true;          // only image tokens are drawn, but for a picture's last token
    std::vector<int64_t> eos;  // the ids that end a picture when nothing is masked
    int64_t rows = 0;          // of each picture in a pass; 0: what turns out to be fastest
    bool keeps_logits = false;
  };
  struct Written {
    at::Tensor tokens;  // i64 [1, n]; n = cells + 1, less where an unmasked picture ended early
    at::Tensor logits;  // [1, n, V] of these tokens, if they are kept
  };

  // Draws the first token of each picture from its prompt's logits. transformer: on the CPU; it has to outlive this.
  // pictures: 1 to 16.
  HostTokenWriter(const PriorTransformer& transformer, std::vector<HostPicture> pictures, Options options);

  ~HostTokenWriter();
  HostTokenWriter(const HostTokenWriter&) = delete;
  HostTokenWriter& operator=(const HostTokenWriter&) = delete;

  // Writes the tokens of each picture. May be called once. done: called with the number of tokens that all pictures
  // have together, once one of them has more; may throw to stop. poll: called several times in a pass; may throw to
  // stop. Throws Error(model) when logits are not finite.
  std::vector<Written> run(const std::function<void(int64_t)>& done, const std::function<void()>& poll);

  int64_t passes() const { return passes_; }  // over the weights

 private:
  struct Picture;

  void pass(const std::function<void()>& poll);
  std::vector<int64_t> draw(Picture& picture, const at::Tensor& logits);
  void accept(Picture& picture, const std::vector<int64_t>& drawn, int64_t accepted, const at::Tensor& logits);
  const float* exponential(Picture& picture, int64_t ahead, int64_t ids) const;

  Options options_;
  HostDecoder decoder_;
  RowChooser chooser_;
  host::Sampler sampler_;
  bool is_finite_ = true;  // all logits that were accepted
  std::vector<Picture> pictures_;
  int64_t passes_ = 0;
};

}  // namespace glm
