// The square of a picture that a CLIP model looks at.
// Upstream: transformers CLIPImageProcessor, whose resize() and center_crop() work on torchvision's uint8 tensors. (The
// class CLIPImageProcessorPil resizes with PIL instead, which gives other bytes.)
#pragma once

#include <cstdint>

#include "glm/image.h"

namespace glm {

inline constexpr int64_t kMaxClipEdge = 1024;   // pixels that a picture's shorter side may be resized to
inline constexpr int64_t kMaxClipSide = 16384;  // pixels of a picture's longer side

struct ClipCropRule {
  int64_t shortest_edge = 224;  // pixels of the shorter side after resizing, 1 to kMaxClipEdge: size
  int64_t side = 224;           // pixels of the square, likewise: crop_size
};

// Returns the middle of the resized picture, a square of rule.side pixels. What lies outside of the picture is black.
// Bit for bit upstream's, but only the part that is left is resized, so that a long and narrow picture takes no more
// memory than others. image: sides of 1 to kMaxClipSide pixels.
Image clip_crop(const Image& image, const ClipCropRule& rule);

}  // namespace glm
