// How many bytes and how much arithmetic a model takes, by its configuration. The numbers are doubles: a config.json
// may name any sizes, and their products may not fit 64 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/checkpoint/config.h"

namespace glm {

// How many weights the prior's layers have.
double prior_layer_weights(const PriorConfig& p);

// Bytes of the weights of a checkpoint's folders.
struct WeightBytes {
  double language;  // vision_language_encoder: the prior, the vision tower and the codebook
  double glyphs;    // text_encoder
  double dit;       // transformer
  double vae;
  double all() const { return language + glyphs + dit + vae; }
};
// Bytes of one weight.
struct BytesOfOne {
  double element;
  double prior;  // in the prior's layers
  double dit;    // in attention and MLP of the DiT's blocks
};
WeightBytes weight_bytes(const ModelConfig& c, const BytesOfOne& one);

// What a picture's cost depends on.
struct Canvas {
  Geometry geometry;
  int64_t branches;  // passes of a step: 2 with guidance, else 1
};

// What a call's memory depends on.
struct CallLoad {
  Canvas canvas;
  int64_t pictures = 1;
  bool keeps_pictures = true;    // the call holds all pictures to its end: no callback takes them
  std::vector<Grid> references;  // grids of the reference pictures
  int64_t texts = 1;             // quoted texts
  int64_t bytes = 0;             // length of the longest text
  // Which stages run. References are read for tokens and for latents.
  bool tokens = true;
  bool latents = true;
  bool pixels = true;
};

// The bytes that a call needs at least, beside the weights: what it holds to its end, and its largest stage. element:
// bytes of one number of the model's dtype.
double call_bytes(const ModelConfig& c, const CallLoad& load, double element);

constexpr int64_t kPromptLength = 64;  // ids of a usual prompt

// How much there is to compute for a picture. All but read and tokens count multiplications and additions.
struct Work {
  double references;  // to read the references, once for all pictures of a call
  double prompt;      // to read the prompt and the references' tokens
  double step;        // of each step, all branches together
  double pixels;      // of the VAE decoder
  double read;        // weights that are read for each token
  int64_t tokens;     // that the prior writes
};
// prompt_length: ids. references: grids of the reference pictures; without them the prior writes a preview grid.
Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, const std::vector<Grid>& references);

}  // namespace glm
