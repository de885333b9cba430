// The stage `pixels`, from a picture's latents to its bytes.
// Upstream: GlmImagePipeline.__call__, the VAE and VaeImageProcessor.postprocess
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/run/stage_context.h"

namespace glm {

// Decodes a picture and crops it to the size that was asked. scaled: denormalised latents [1, C, h, w]. Throws
// Error(model) when a pixel isn't finite, Error(cancelled). Taps latents.final_scaled, vae.decoded, image.
Picture decode_picture(const StageContext& c, const PictureJob& job, const at::Tensor& scaled);

}  // namespace glm
