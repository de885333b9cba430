// What a model costs: bytes and arithmetic that its configuration implies.
#pragma once

#include <cstdint>

#include "engine/config.h"
#include "tokenizer/prompt_layout.h"

namespace glm {

struct WeightCounts {
  int64_t prior_layers;  // read for each token
  int64_t prior_tables;  // embedding and head
  int64_t dit;
  int64_t rest;  // vision tower, codebook, glyph encoder, VAE
};
WeightCounts count_weights(const ModelConfig& c);

// Bytes of all weights. element: bytes of a number; prior_element: of one of the prior's on a GPU.
int64_t weight_bytes(const ModelConfig& c, double element, double prior_element);

// A picture, as far as its cost goes.
struct Canvas {
  Grid grid;
  int64_t branches;  // 2 with guidance
};

// Bytes that one picture needs beside the weights, at least.
int64_t working_bytes(const ModelConfig& c, const Canvas& canvas, int64_t element);

// Multiplications and additions.
struct Work {
  double prompt;   // reading it
  double token;    // each
  double step;     // each, of all branches
  double pixels;   // the VAE
  double read;     // weights that each token reads
  int64_t tokens;  // of a picture
};
Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, bool preview);

}  // namespace glm
