// One request through the stages: references, prior, glyphs, denoising, decoding. Upstream: GlmImagePipeline.__call__
#pragma once

#include "engine/model.h"
#include "engine/pipeline.h"
#include "engine/references.h"

namespace glm {

Result run_picture(const Model& model, ReferenceStore& store, const Request& request, const Callbacks& callbacks);

}  // namespace glm
