// Makes a small picture of latents without the VAE decoder, by a linear map from a latent's channels to its mean
// colour. The map is fitted by least squares to what this checkpoint's VAE makes of coloured patches.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/components/vae.h"
#include "glm/image.h"

namespace glm {

class LatentPreview {
 public:
  LatentPreview(const VaeEncoder& encoder, const VaeDecoder& vae_decoder, const VaeConfig& c);

  // Denormalised latents [1, C, h, w] to a picture of h x w pixels.
  Image image(const at::Tensor& scaled) const;

 private:
  at::Tensor map_;  // fp32 [C + 1, 3], on the CPU; the last row is the constant part
};

}  // namespace glm
