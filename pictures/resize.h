// Resizing as upstream does it, bit for bit.
#pragma once

#include <cstdint>

#include "glm/image.h"

namespace glm {

// Resizes a picture to these sides in pixels, at least 1.
// Upstream: torchvision's resize(interpolation=BICUBIC, antialias=True) of a uint8 tensor, which the vision tower's
// image processor calls.
Image resize_bicubic(const Image& image, int64_t width, int64_t height);

// A part of a picture, in pixels, of at least one.
struct PictureWindow {
  int64_t left;
  int64_t top;
  int64_t width;
  int64_t height;
};

// Returns only this part of what resize_bicubic(image, width, height) gives, and resizes no more than it takes.
Image resize_bicubic(const Image& image, int64_t width, int64_t height, const PictureWindow& window);

// Does the same with another filter, as Pillow 13 does: the height comes first where it loses more than twice as many
// pixels as the width. Older versions always began with the width.
// Upstream: PIL's Image.resize(resample=LANCZOS), which diffusers' VaeImageProcessor calls.
Image resize_lanczos(const Image& image, int64_t width, int64_t height);

}  // namespace glm
