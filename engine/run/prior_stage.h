// What the prior is asked for each picture, and what of its answer the DiT takes.
// Upstream: GlmImagePipeline.generate_prior_tokens
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/run/prior.h"
#include "engine/run/references.h"
#include "engine/run/stage_context.h"

namespace glm {

class PriorStage {
 public:
  // sources: the grids of the request's references.
  PriorStage(const StageContext& context, std::vector<Grid> sources) : c_(context), sources_(std::move(sources)) {}

  // Can tokens be written for this picture? Reads no weight. Error(usage) for a prompt that is too long, and for
  // injected ids that don't fit.
  void check(const PictureJob& job) const;

  // The large grid of each picture, i64 [1, h * w]: written together, or injected. Undefined where prior.ids is
  // injected. warnings: gets a line for a grid of few different tokens. Taps ar.in.*, ar.generated, prior.d32_ids.0.
  std::vector<at::Tensor> grids(const std::vector<PictureJob>& jobs,
                                const std::vector<std::shared_ptr<const Reference>>& references,
                                std::vector<std::string>* warnings) const;

  // One id for each patch of the DiT, i64 [1, N]: the grid's, or injected. Taps prior.ids.
  at::Tensor patch_ids(const PictureJob& job, const at::Tensor& grid) const;

 private:
  Grid preview() const;
  at::Tensor prompt_ids(const PictureJob& job) const;        // -> i64 [1, L]
  PriorRequest request(const PictureJob& job) const;         // with the places of references still empty
  at::Tensor injected_tokens(const PictureJob& job) const;   // ar.generated, i64 [1, n]
  at::Tensor large_grid(const at::Tensor& generated) const;  // i64 [1, n] -> [1, h * w]
  std::vector<at::Tensor> generated(const std::vector<PictureJob>& jobs,
                                    const std::vector<std::shared_ptr<const Reference>>& references) const;

  StageContext c_;
  std::vector<Grid> sources_;
};

}  // namespace glm
