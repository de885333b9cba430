// What a model costs: bytes and arithmetic that its configuration implies. In doubles: a configuration's numbers may be
// anybody's, and their products pass 64 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/checkpoint/config.h"

namespace glm {

// Bytes of all weights. element: bytes of a number; prior_element: of one of the prior's layers on a GPU.
double weight_bytes(const ModelConfig& c, double element, double prior_element);

// A picture, as far as its cost goes.
struct Canvas {
  Geometry geometry;
  int64_t branches;  // 2 with guidance
};

// A call, as far as its memory goes.
struct CallLoad {
  Canvas canvas;
  int64_t pictures = 1;
  bool keeps_pictures = true;  // until its end: the caller doesn't take each as soon as it is finished
  std::vector<Grid> references;
  int64_t texts = 1;  // quoted ones
  int64_t bytes = 0;  // of the longest text
  // Which stages run. References are read for the first two.
  bool tokens = true;
  bool latents = true;
  bool pixels = true;
};

// Bytes that a call needs beside the weights, at least: what it holds and the largest of its stages.
double call_bytes(const ModelConfig& c, const CallLoad& load, double element);

// Multiplications and additions.
struct Work {
  double prompt;   // reading it
  double step;     // each, of all branches
  double pixels;   // the VAE
  double read;     // weights that each token reads
  int64_t tokens;  // of a picture
};
Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, bool preview);

}  // namespace glm
