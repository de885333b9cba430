// The prior's generate loop, from a prompt's ids to a grid of image tokens. Without references a small preview grid is
// written first. Then come the large grid and the end token.
// Upstream: GlmImagePipeline.generate_prior_tokens, transformers GenerationMixin._sample
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "engine/components/layers/tap.h"
#include "engine/components/prior_transformer.h"
#include "engine/run/progress.h"
#include "glm/rng.h"
#include "kernels/cuda/library.h"
#include "kernels/sampling.h"

namespace glm {

struct PriorRequest {
  at::Tensor ids;  // i64 [1, L], with the references' tokens in their places
  Grid preview;    // 0 x 0 with references
  Grid target;
  std::vector<Grid> sources = {};  // grids of the references, whose tokens stand at the beginning of ids
  SamplingOptions sampling;
  bool allow_early_stop = false;  // as upstream: no id is masked, and the end token ends the loop anywhere
  Rng rng = Rng::cpu;
  uint64_t seed = 0;
};

// Throws Error(usage) when the prompt and the grids need more positions than the model has.
void check_positions(const PriorRequest& request, const ModelConfig& c);

// How tokens are written, and who is told of it.
struct WriteOptions {
  int64_t rows = 0;  // positions of a picture that a pass of our kernels computes, up to 16; 0: the fastest number
  StepDone done = [](int64_t, int64_t) {};
  std::function<void()> poll = [] {};  // called several times in a pass; may throw to stop
  Tap tap = {};
  // The library of our CUDA kernels. Null means the installed one, which is used if the model is on a GPU.
  const cuda::Library* library = nullptr;
};

struct WrittenTokens {
  // i64 [1, n] for each request, on the CPU. n counts the cells of both grids and the last token; it is less only with
  // allow_early_stop.
  std::vector<at::Tensor> tokens;
  int64_t passes = 0;  // over the weights, not counting those that read prompts
};

// Writes the tokens of each request. The caller has called check_positions() for each of them. Our kernels write up to
// 16 requests of the same sampling in one pass. LookAheadWriter does it, and TokenWriter on a GPU without look-ahead.
// If a GPU can't use our kernels, ATen writes one request after the other. A request's tokens are the same whatever the
// other requests of the call and WriteOptions::rows are. Throws Error(model) when logits are not finite. Taps for each
// request: position_ids_prefill, position_ids_decode. At level full there are also prefill.* and logits, and a GPU
// writes all tokens by ATen.
WrittenTokens generate_tokens(const PriorTransformer& transformer, const ModelConfig& c,
                              const std::vector<PriorRequest>& requests, const WriteOptions& options = {});

// Cuts the large grid out of `generated`. i64 [1, n] -> [1, gh * gw]. Throws Error(model) with the counts when the grid
// is short or holds ids that are no image tokens.
at::Tensor large_grid(const at::Tensor& generated, Grid preview, Grid target, int64_t codebook);

// Repeats the id of each token for the 2 x 2 patches of the DiT that it covers. i64 [1, gh * gw] -> [1, 4 * gh * gw]
// Upstream: GlmImagePipeline._upsample_token_ids
at::Tensor upsample_ids(const at::Tensor& ids, Grid grid);

}  // namespace glm
