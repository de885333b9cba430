#include "engine/run/prior_stage.h"

#include <ATen/ATen.h>

#include "glm/error.h"

namespace glm {

// With references the picture's grid is the only one.
Grid PriorStage::preview() const {
  return references_.empty() ? preview_grid(settings_.grid()) : Grid{0, 0};
}

std::vector<Grid> PriorStage::sources() const {
  std::vector<Grid> grids;
  for (const auto& reference : references_) grids.push_back(reference->grid);
  return grids;
}

at::Tensor PriorStage::injected_ids() const {
  return injected_.ids("prior.ids", {1, 4 * settings_.grid().cells()}, m_.config.generation.codebook)
      .value_or(at::Tensor());
}

at::Tensor PriorStage::injected_tokens() const {
  at::Tensor injected = *injected_.ids("ar.generated", {1, -1}, m_.config.prior.vocab);
  const int64_t first = preview().cells();
  const int64_t cells = first + settings_.grid().cells();
  const int64_t codebook = m_.config.generation.codebook;
  if (injected.size(1) < cells || injected.slice(1, first, cells).max().item<int64_t>() >= codebook) {
    throw Error(ErrorCode::usage, "can't inject ar.generated: expected at least " + std::to_string(cells) +
                                      " image tokens with ids below " + std::to_string(codebook) +
                                      ", found fewer or others; inject a dump of the same size");
  }
  return injected;
}

at::Tensor PriorStage::large_grid(const at::Tensor& generated) const {
  return glm::large_grid(generated, preview(), settings_.grid(), m_.config.generation.codebook);
}

at::Tensor PriorStage::prompt_ids() const {
  if (auto injected = injected_.ids("ar.in.input_ids", {1, -1}, m_.config.prior.vocab)) return *injected;
  PromptLayout layout = layout_prompt(m_.text_tokenizer, m_.layout_tokens, request_.prompt, settings_.grid(),
                                      request_.parse_special, sources());
  if (m_.random_weights) layout.ids.back() = m_.config.generation.image_begin;
  at::Tensor ids = at::tensor(layout.ids, at::kLong).unsqueeze(0);
  if (ids.max().item<int64_t>() >= m_.config.prior.vocab) {
    throw Error(ErrorCode::model, (m_.folder / "processor/tokenizer.json").string() +
                                      ": expected ids below vocab_size (" + std::to_string(m_.config.prior.vocab) +
                                      "), found " + std::to_string(ids.max().item<int64_t>()));
  }
  return ids;
}

PriorRequest PriorStage::request(uint64_t seed, const Tap& tap) const {
  const at::Tensor ids = prompt_ids();
  tap.stage("ar.in.input_ids", ids);
  std::vector<Grid> grids = sources();
  grids.push_back(settings_.grid());
  if (references_.empty()) grids.push_back(preview());
  std::vector<int64_t> flat;
  for (const Grid& g : grids) flat.insert(flat.end(), {1, g.height, g.width});
  tap.stage("ar.in.image_grid_thw", at::tensor(flat, at::kLong).view({-1, 3}));
  return {.ids = place_tokens(ids, references_, m_),
          .preview = preview(),
          .target = settings_.grid(),
          .sources = sources(),
          .sampling = {.temperature = settings_.temperature,
                       .top_p = settings_.top_p,
                       .top_k = settings_.top_k,
                       .greedy = request_.greedy},
          .allow_early_stop = request_.allow_early_stop,
          .rng = request_.rng,
          .seed = seed};
}

}  // namespace glm
