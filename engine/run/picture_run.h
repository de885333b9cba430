// One request through the stages: references, tokens, glyphs, denoising, decoding.
// Upstream: GlmImagePipeline.__call__
#pragma once

#include <optional>
#include <vector>

#include "engine/run/latent_preview.h"
#include "engine/run/model.h"
#include "engine/run/references.h"
#include "glm/request.h"

namespace glm {

// What one call leaves for the next.
struct Kept {
  ReferenceStore references;
  std::optional<LatentPreview> preview;  // made when the first one is wanted
};

// All of the way. Throws Error(usage), and Error(memory) for what can't fit, before the first stage begins.
Result run_picture(const Model& model, Kept& kept, const Request& request, const Callbacks& callbacks);

// Its parts.
std::vector<Tokens> run_tokens(const Model& model, Kept& kept, const Request& request, const Callbacks& callbacks);
std::vector<Latents> run_latents(const Model& model, Kept& kept, const Request& request,
                                 const std::vector<Tokens>& tokens, const Callbacks& callbacks);
Result run_pixels(const Model& model, Kept& kept, const Request& request, const std::vector<Latents>& latents,
                  const Callbacks& callbacks);

}  // namespace glm
