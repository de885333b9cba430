// The stage `tokens`: asks the prior for each picture's tokens, and turns them into the DiT's ids.
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

class TokensStage {
 public:
  // sources: the grids of the request's references.
  TokensStage(const StageContext& context, std::vector<Grid> sources) : c_(context), sources_(std::move(sources)) {}

  // Throws Error(usage) when a picture's prompt is too long, or injected ids don't fit. Reads no weight.
  void check(const PictureJob& job) const;

  // Returns the large grid of each picture, i64 [1, gh * gw]. The grids of all pictures are written together, or
  // injected. They are undefined where prior.ids is injected. warnings: gets a line for a grid of few different tokens.
  // Taps ar.*, prior.d32_ids.0.
  std::vector<at::Tensor> grids(const std::vector<PictureJob>& jobs,
                                const std::vector<std::shared_ptr<const Reference>>& references,
                                std::vector<std::string>* warnings) const;

  // Returns one id for each patch of the DiT, i64 [1, N], from the picture's grid or injected. Taps prior.ids.
  at::Tensor patch_ids(const PictureJob& job, const at::Tensor& grid) const;

 private:
  Grid preview() const;
  at::Tensor prompt_ids(const PictureJob& job) const;        // -> i64 [1, L]
  PriorRequest request(const PictureJob& job) const;         // its ids don't have the references' tokens yet
  at::Tensor injected_tokens(const PictureJob& job) const;   // -> ar.generated, i64 [1, n]
  at::Tensor large_grid(const at::Tensor& generated) const;  // i64 [1, n] -> [1, gh * gw]
  std::vector<at::Tensor> generated(const std::vector<PictureJob>& jobs,
                                    const std::vector<std::shared_ptr<const Reference>>& references) const;

  StageContext c_;
  std::vector<Grid> sources_;
};

}  // namespace glm
