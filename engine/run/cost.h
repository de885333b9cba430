// What a model costs: bytes and arithmetic that its configuration implies. In doubles: a configuration's numbers may be
// anybody's, and their products pass 64 bits.
#pragma once

#include <cstdint>

#include "base/grid.h"
#include "engine/checkpoint/config.h"

namespace glm {

// Bytes of all weights. element: bytes of a number; prior_element: of one of the prior's layers on a GPU.
double weight_bytes(const ModelConfig& c, double element, double prior_element);

// A picture, as far as its cost goes.
struct Canvas {
  Grid grid;
  int64_t branches;  // 2 with guidance
};

// Bytes that one picture needs beside the weights, at least.
double working_bytes(const ModelConfig& c, const Canvas& canvas, double element);

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
