// Resizing as upstream does it, bit for bit.
#pragma once

#include <cstdint>

#include "glm/image.h"

namespace glm {

// Upstream: torchvision's resize(interpolation=BICUBIC, antialias=True) of a uint8 tensor, which the vision tower's
// image processor calls. Sides of at least 1.
Image resize_bicubic(const Image& image, int64_t width, int64_t height);

// Upstream: PIL's Image.resize(resample=LANCZOS), which diffusers' VaeImageProcessor calls. As Pillow 13 does it: the
// height comes first where it loses more than twice what the width loses. Older ones always began with the width.
Image resize_lanczos(const Image& image, int64_t width, int64_t height);

}  // namespace glm
