// Converts between a run's tensors and the plain values of glm/request.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "engine/components/layers/tap.h"
#include "engine/run/model.h"
#include "engine/run/settings.h"
#include "glm/request.h"

namespace glm {

// Returns a tap that hands every tensor to `dump`, and a copy on the CPU to `own` if there is one.
Tap with_callback(const Tap& dump, const std::function<void(const StageTensor&)>& own, Tap::Level level);

Tokens tokens_of(const at::Tensor& ids, Grid grid);  // i64 [1, N], four ids for each token
// Throws Error(usage) for another grid, and for ids that are no image tokens.
at::Tensor grid_ids_of(const Tokens& tokens, Grid grid, int64_t codebook);  // -> i64 [1, gh * gw]

Latents latents_of(const at::Tensor& scaled);  // denormalised [1, C, h, w]
// Throws Error(usage) for another shape, and for numbers that aren't finite.
void check_latents_fit(const Latents& latents, at::IntArrayRef shape);
// Throws as check_latents_fit().
at::Tensor scaled_of(const Latents& latents, at::IntArrayRef shape);  // -> fp32 [1, C, h, w]

// Returns what a dump says about its run, as JSON.
std::string about_run(const Model& m, const Request& request, const Settings& settings, const Result& result);

}  // namespace glm
