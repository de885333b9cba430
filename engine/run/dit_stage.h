// From a picture's tokens to its latents: quoted text is encoded once for all pictures, then each picture's noise is
// removed step by step. Upstream: GlmImagePipeline.__call__, _get_glyph_embeds
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

class DitStage {
 public:
  // callbacks: for previews, whose map `preview` keeps for the next call.
  DitStage(const StageContext& context, const Callbacks& callbacks, std::optional<LatentPreview>& preview)
      : c_(context), callbacks_(callbacks), preview_(preview) {}

  // Both throw Error(usage) where what is injected doesn't fit: check_glyphs() for all pictures, check() for one.
  void check_glyphs(const Injection& injected) const;
  void check(const PictureJob& job) const;

  // The glyph embeddings of the prompt, and for guidance those of no text. Taps glyph.*.
  void encode_glyphs(const Injection& injected);

  // ids: one for each patch, i64 [1, N]. -> the latents as the VAE takes them, [1, C, h, w]. Taps sched.*,
  // latents.init, step{k}.*.
  at::Tensor latents(const PictureJob& job, const at::Tensor& ids,
                     const std::vector<std::shared_ptr<const Reference>>& references);

 private:
  at::Tensor embeds(const std::string& name, const std::vector<std::string>& texts, int call,
                    const Injection& injected) const;  // -> [1, T, E]
  // The branch with the prompt, and for guidance the one without.
  std::vector<DitBranch> branches(const at::Tensor& ids,
                                  const std::vector<std::shared_ptr<const Reference>>& references) const;
  // Latents to start with, fp32 [1, C, h, w], and the step to start at.
  std::pair<at::Tensor, int64_t> first_latents(const PictureJob& job) const;
  at::Tensor steps(const PictureJob& job, const std::vector<DitBranch>& branches) const;  // -> fp32 [1, C, h, w]
  at::Tensor guide(const at::Tensor& out, const Tap& tap) const;  // [1 or 2, C, h, w] -> fp32 [1, C, h, w]
  // What a picture looks like after a step. v: noise minus picture, fp32 [1, C, h, w].
  void show_preview(const PictureJob& job, int64_t step, const at::Tensor& latents, const at::Tensor& v,
                    float sigma) const;

  StageContext c_;
  const Callbacks& callbacks_;
  std::optional<LatentPreview>& preview_;
  at::Tensor prompt_, empty_;        // [1, T, E]; the second undefined without guidance
  std::optional<DitCanvas> canvas_;  // the same for all pictures
};

}  // namespace glm
