// What upstream's Python computes with models that are known, for selftest_weights(). A model is known by the sizes in
// its config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "glm/image.h"

namespace glm {

// A picture that a prompt starts from.
struct KnownPicture {
  std::string name = {};             // of its file, which isn't here; "": draw_slopes() draws it
  int64_t width = 0, height = 0;     // pixels; 0 where nobody has told
  std::vector<int64_t> tokens = {};  // upstream's; empty: nobody has told them
};

// A prompt, and what upstream makes of it.
struct KnownTokens {
  std::string prompt;  // "": only the sizes are asked, which end each prompt
  Grid grid;           // of the picture to write
  std::optional<KnownPicture> picture = {};
  std::vector<int64_t> ids = {};     // upstream's, behind those of the picture; empty: nobody has told them
  std::vector<int64_t> tokens = {};  // the first that upstream writes greedily; empty: only the ids are known
};

struct KnownModel {
  std::string name;
  // Sizes in vision_language_encoder/config.json, as ModelConfig calls them.
  int64_t dim, inner_dim, layers, heads, kv_heads, vocab, vision_vocab, codebook, vision_dim, vision_layers;
  std::string dtype;  // that upstream computed in: "float32" or "bfloat16"
  std::vector<KnownTokens> tokens;
};

const std::vector<KnownModel>& known_models();

// Returns the model whose sizes these are, or null.
const KnownModel* known_model(const ModelConfig& config);

// Draws a picture whose red grows to the right and whose green grows downwards.
Image draw_slopes(int64_t width, int64_t height);

}  // namespace glm
