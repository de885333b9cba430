#include "engine/prior.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "engine/finite.h"
#include "engine/random.h"
#include "engine/rope.h"

namespace glm {
namespace {

void check_positions(const at::Tensor& positions, int64_t max_positions) {
  const auto largest = positions.max().item<int64_t>();
  if (largest >= max_positions) {
    throw Error(ErrorCode::usage, "the prompt is too long: with the grids it reaches position " +
                                      std::to_string(largest) + ", the model has " + std::to_string(max_positions) +
                                      "; shorten the prompt");
  }
}

}  // namespace

at::Tensor generate_tokens(const PriorTransformer& transformer, const ModelConfig& c, const PriorRequest& request,
                           const StepDone& done, const Tap& tap) {
  const int64_t length = request.ids.size(1);
  const int64_t cells = request.preview.height * request.preview.width + request.target.height * request.target.width;
  const at::Tensor prompt = prompt_positions(length);
  const at::Tensor grids = grid_positions(length, {request.preview, request.target});
  check_positions(at::cat({prompt, grids}, -1), c.prior.max_positions);
  tap.stage("position_ids_prefill", prompt);

  done(0, cells + 1);
  DecodeState state = transformer.start(1, at::cat({prompt, grids}, -1));
  RandomNumbers random = RandomNumbers::of(request.rng, request.seed);
  FiniteWatch watch;
  at::Tensor generated = at::empty({1, cells + 1}, state.token.options());
  std::vector<at::Tensor> all_logits;
  int64_t n = 0;
  at::Tensor logits = transformer.prefill(request.ids, state, tap / "prefill");
  while (true) {
    watch.see(logits);
    if (tap.wants_full()) all_logits.push_back(logits);
    // Only image tokens until the grids are full; the last token, normally the end, is free.
    const int64_t legal = n < cells && !request.allow_early_stop ? c.generation.codebook : c.prior.vision_vocab;
    const at::Tensor exponential =
        request.sampling.greedy ? at::Tensor() : random.exponential(logits.sizes()).to(logits.device());
    state.token.copy_(sample(logits, exponential, legal, request.sampling));
    generated.select(1, n).copy_(state.token);
    ++n;
    done(n, cells + 1);
    if (n > cells || (request.allow_early_stop && state.token.item<int64_t>() == c.generation.eos)) break;
    logits = transformer.step(state);
  }
  watch.check("prior's logits");
  tap.stage("position_ids_decode", grids.slice(-1, 0, n - 1));
  if (tap.wants_full()) tap.full("logits", at::stack(all_logits, 1));
  return generated.slice(1, 0, n).cpu();
}

at::Tensor large_grid(const at::Tensor& generated, Grid preview, Grid target, int64_t codebook) {
  const int64_t first = preview.height * preview.width;
  const int64_t cells = target.height * target.width;
  if (generated.size(1) < first + cells) {
    throw Error(ErrorCode::model, "the prior stopped after " + std::to_string(generated.size(1)) + " of " +
                                      std::to_string(first + cells) +
                                      " image tokens; leave out --allow-early-stop, or try another seed");
  }
  at::Tensor ids = generated.slice(1, first, first + cells);
  const auto illegal = at::logical_or(ids < 0, ids >= codebook).sum().item<int64_t>();
  if (illegal > 0) {
    throw Error(ErrorCode::model, std::to_string(illegal) + " of " + std::to_string(cells) +
                                      " tokens of the picture's grid are no image tokens (ids 0 to " +
                                      std::to_string(codebook - 1) +
                                      "); leave out --allow-early-stop, or try another seed");
  }
  return ids;
}

at::Tensor upsample_ids(const at::Tensor& ids, Grid grid) {
  const at::Tensor cells = ids.view({1, grid.height, grid.width});
  return cells.repeat_interleave(2, 1).repeat_interleave(2, 2).view({1, 4 * grid.height * grid.width});
}

}  // namespace glm
