// One request through the stages: prior, glyphs, denoising, decoding. Upstream: GlmImagePipeline.__call__
#pragma once

#include "engine/model.h"
#include "engine/pipeline.h"

namespace glm {

Result run_picture(const Model& model, const Request& request, const Callbacks& callbacks);

}  // namespace glm
