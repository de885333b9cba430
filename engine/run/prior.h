// The prior's generate loop: a prompt's ids to a grid of image tokens. A small preview grid is written first (not with
// references), then the large one, then the end token. Upstream: GlmImagePipeline.generate_prior_tokens, transformers
// GenerationMixin._sample
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "engine/components/layers/tap.h"
#include "engine/components/prior_transformer.h"
#include "engine/run/progress.h"
#include "glm/rng.h"
#include "kernels/sampling.h"

namespace glm {

struct PriorRequest {
  at::Tensor ids;  // i64 [1, L], with the references' tokens in their places
  Grid preview;    // with references none
  Grid target;
  std::vector<Grid> sources = {};  // the references', which stand at the beginning of ids
  SamplingOptions sampling;
  bool allow_early_stop = false;  // upstream's way: nothing is masked and the end token ends the loop anywhere
  Rng rng = Rng::cpu;
  uint64_t seed = 0;
};

// Throws Error(usage) for a request whose prompt runs past the model's positions.
void check_positions(const PriorRequest& request, const ModelConfig& c);

// Of each request i64 [1, n], n = preview + target + 1, on the CPU; fewer only with allow_early_stop. A packed
// transformer decodes up to 16 requests of the same sampling in one pass; else one follows the other. The tokens don't
// depend on who shares the call. The requests have passed check_positions(). Throws Error(model) when logits are not
// finite. Taps of each request: position_ids_prefill, position_ids_decode, prefill.*, logits; the last two only one by
// one.
std::vector<at::Tensor> generate_tokens(const PriorTransformer& transformer, const ModelConfig& c,
                                        const std::vector<PriorRequest>& requests, const StepDone& done,
                                        const Tap& tap);

// The large grid's ids out of `generated`: i64 [1, h * w]. Throws Error(model) with the counts when the grid is short
// or holds ids that are no image tokens.
at::Tensor large_grid(const at::Tensor& generated, Grid preview, Grid target, int64_t codebook);

// Each id becomes 2 x 2: cells of 32 pixels to the decoder's patches of 16. i64 [1, h * w] -> [1, 4 * h * w]
// Upstream: GlmImagePipeline._upsample_token_ids
at::Tensor upsample_ids(const at::Tensor& ids, Grid grid);

}  // namespace glm
