// The stages `glyphs` and `steps`, from a picture's tokens to its latents. Quoted text is encoded once for all
// pictures, then each picture's noise is removed step by step.
// Upstream: GlmImagePipeline.__call__, _get_glyph_embeds
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/components/flow_schedule.h"
#include "engine/run/latent_preview.h"
#include "engine/run/references.h"
#include "engine/run/stage_context.h"

namespace glm {

class StepsStage {
 public:
  // callbacks: get the previews. preview: the map that makes them; the first preview creates it, and it stays in the
  // call cache.
  StepsStage(const StageContext& context, const Callbacks& callbacks, std::optional<LatentPreview>& preview)
      : c_(context), callbacks_(callbacks), preview_(preview) {}

  // Throw Error(usage) when an injected tensor doesn't fit. check_glyphs() looks at what all pictures share, check() at
  // what one picture has.
  void check_glyphs(const Injection& injected) const;
  void check(const PictureJob& job) const;

  // Encodes the quoted texts, and with guidance an empty text. Call it before latents(). Taps glyph.*.
  void encode_glyphs(const Injection& injected);

  // Draws one picture's latents. ids: i64 [1, N], one for each patch. Returns denormalised latents [1, C, h, w], as the
  // VAE decoder takes them. Throws Error(model) when they aren't finite, Error(cancelled). Taps sched.*, latents.init,
  // step{k}.*.
  at::Tensor latents(const PictureJob& job, const at::Tensor& ids,
                     const std::vector<std::shared_ptr<const Reference>>& references);

 private:
  at::Tensor embeds(const std::string& name, const std::vector<std::string>& texts, int call,
                    const Injection& injected) const;  // -> [1, T, E]
  // Returns the branch with the prompt and, with guidance, the one without.
  std::vector<DitBranch> branches(const at::Tensor& ids,
                                  const std::vector<std::shared_ptr<const Reference>>& references) const;
  // Returns the latents to start from, fp32 [1, C, h, w], and the first step to run.
  std::pair<at::Tensor, int64_t> first_latents(const PictureJob& job) const;
  at::Tensor steps(const PictureJob& job, const std::vector<DitBranch>& branches) const;  // -> fp32 [1, C, h, w]
  at::Tensor guide(const at::Tensor& out, const Tap& tap) const;  // [1 or 2, C, h, w] -> fp32 [1, C, h, w]
  // Shows the caller what the picture looks like after `step` steps. v: the last step's velocity, which is noise minus
  // picture, fp32 [1, C, h, w]; sigma: the noise's part in `latents`.
  void show_preview(const PictureJob& job, int64_t step, const at::Tensor& latents, const at::Tensor& v,
                    float sigma) const;

  StageContext c_;
  const Callbacks& callbacks_;
  std::optional<LatentPreview>& preview_;
  at::Tensor prompt_, empty_;        // [1, T, E]; empty_ is undefined without guidance
  std::optional<DitCanvas> canvas_;  // the same for all pictures
};

}  // namespace glm
