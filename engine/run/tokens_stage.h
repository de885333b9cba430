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
  // A call's part in a pass that it shares with others. Each outlives the pass.
  struct Share {
    const TokensStage& stage;
    const std::vector<PictureJob>& jobs;
    const std::vector<std::shared_ptr<const Reference>>& references;
    std::vector<std::string>* warnings;  // gets a line for a grid of few different tokens
  };

  // sources: the grids of the request's references.
  TokensStage(const StageContext& context, std::vector<Grid> sources) : c_(context), sources_(std::move(sources)) {}

  // Throws Error(usage) when a picture's prompt is too long, or injected ids don't fit. Reads no weight.
  void check(const PictureJob& job) const;

  // Returns the large grid of each picture of each call, i64 [1, gh * gw]. The grids of all pictures are written
  // together, or injected. They are undefined where prior.ids is injected. The first call's progress, threads and tap
  // hold for all. Taps ar.*, prior.d32_ids.0.
  static std::vector<std::vector<at::Tensor>> grids(const std::vector<Share>& calls);

  // Returns one id for each patch of the DiT, i64 [1, N], from the picture's grid or injected. Taps prior.ids.
  at::Tensor patch_ids(const PictureJob& job, const at::Tensor& grid) const;

 private:
  Grid preview() const;
  at::Tensor prompt_ids(const PictureJob& job) const;        // -> i64 [1, L]
  PriorRequest request(const PictureJob& job) const;         // its ids don't have the references' tokens yet
  at::Tensor injected_tokens(const PictureJob& job) const;   // -> ar.generated, i64 [1, n]
  at::Tensor large_grid(const at::Tensor& generated) const;  // i64 [1, n] -> [1, gh * gw]
  // What the prior is asked; nothing where tokens are injected.
  std::vector<PriorRequest> requests(const Share& call) const;
  std::vector<at::Tensor> grids_of(const Share& call, const std::vector<at::Tensor>& written) const;

  StageContext c_;
  std::vector<Grid> sources_;
};

}  // namespace glm
