// Runs one request through its stages: references, tokens, glyphs, steps, pixels.
// Upstream: GlmImagePipeline.__call__
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/run/latent_preview.h"
#include "engine/run/model.h"
#include "engine/run/references.h"
#include "glm/request.h"

namespace glm {

// What one call leaves for the next.
struct CallCache {
  ReferenceStore references;
  std::optional<LatentPreview> preview;  // made for the first preview
};

// Runs all stages. Throws Error(usage) for a request that can't be met and Error(memory) for one that can't fit, both
// before the first stage begins. Later it may throw Error(cancelled), Error(model) for numbers that aren't finite, and
// Error(io) for the dump.
Result run_picture(const Model& model, CallCache& cache, const Request& request, const Callbacks& callbacks);

// Checks a request as run_picture() does before its first stage, and throws the same errors. It doesn't look at how
// much memory is free, so it never throws Error(memory).
void check_request(const Model& model, CallCache& cache, const Request& request);

// Its parts, which throw the same: run_tokens() runs references and tokens, run_latents() references, glyphs and steps,
// run_pixels() pixels. `tokens` and `latents`: one for each seed. Requests of the same sampling share their passes.
std::vector<std::vector<Tokens>> run_tokens(const Model& model, CallCache& cache, std::span<const Request> requests,
                                            const Callbacks& callbacks);
std::vector<Latents> run_latents(const Model& model, CallCache& cache, const Request& request,
                                 const std::vector<Tokens>& tokens, const Callbacks& callbacks);
Result run_pixels(const Model& model, CallCache& cache, const Request& request, const std::vector<Latents>& latents,
                  const Callbacks& callbacks);

}  // namespace glm
