// Between a run's tensors and what request.h hands out and takes in.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "engine/components/layers/tap.h"
#include "engine/run/model.h"
#include "engine/run/settings.h"
#include "glm/request.h"

namespace glm {

// Both get every tensor.
Tap with_callback(const Tap& dump, const std::function<void(const StageTensor&)>& own, Tap::Level level);

Tokens tokens_of(const at::Tensor& ids, Grid grid);  // i64 [1, N], each token 2 x 2
// Error(usage) for another grid, or ids that are no image tokens.
at::Tensor grid_ids_of(const Tokens& tokens, Grid grid, int64_t codebook);  // -> i64 [1, h * w]

Latents latents_of(const at::Tensor& scaled);  // [1, C, h, w]
// Error(usage) for another shape.
void check_latents_fit(const Latents& latents, at::IntArrayRef shape);
at::Tensor scaled_of(const Latents& latents, at::IntArrayRef shape);  // -> fp32 [1, C, h, w]

// What a dump says of its run: JSON.
std::string about_run(const Model& m, const Request& request, const Settings& settings, const Result& result);

}  // namespace glm
