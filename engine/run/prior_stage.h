// What the prior is asked for a picture, and what of its answer the decoder takes.
// Upstream: GlmImagePipeline.generate_prior_tokens
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "engine/components/layers/tap.h"
#include "engine/run/injection.h"
#include "engine/run/model.h"
#include "engine/run/prior.h"
#include "engine/run/references.h"
#include "engine/run/settings.h"
#include "glm/request.h"

namespace glm {

// Of the picture whose turn `injected` says it is. Keeps references to all that it is given.
class PriorStage {
 public:
  PriorStage(const Model& m, const Request& request, const Settings& settings, const Injection& injected,
             const std::vector<std::shared_ptr<const Reference>>& references)
      : m_(m), request_(request), settings_(settings), injected_(injected), references_(references) {}

  // Error(usage) for injected ids that don't fit. Taps ar.in.input_ids and ar.in.image_grid_thw.
  PriorRequest request(uint64_t seed, const Tap& tap) const;

  at::Tensor injected_ids() const;     // prior.ids, i64 [1, N], or undefined
  at::Tensor injected_tokens() const;  // ar.generated, which must be there, i64 [1, n]

  at::Tensor large_grid(const at::Tensor& generated) const;  // i64 [1, n] -> [1, h * w]

 private:
  Grid preview() const;
  std::vector<Grid> sources() const;
  at::Tensor prompt_ids() const;  // -> i64 [1, L]

  const Model& m_;
  const Request& request_;
  const Settings& settings_;
  const Injection& injected_;
  const std::vector<std::shared_ptr<const Reference>>& references_;
};

}  // namespace glm
