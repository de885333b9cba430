// From a picture's latents to its bytes. Upstream: GlmImagePipeline.__call__, the VAE and VaeImageProcessor.postprocess
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/run/stage_context.h"

namespace glm {

// The picture of these latents, [1, C, h, w] as the VAE takes them, cropped to what was asked. Throws Error(model) when
// a pixel isn't finite. Taps latents.final_scaled, vae.decoded, image.
Picture decode_picture(const StageContext& c, const PictureJob& job, const at::Tensor& scaled);

}  // namespace glm
