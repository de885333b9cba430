// Reads a safety checker's json files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace glm {

// Where a safety checker lies: in a folder of its own, or in the folder safety_checker of a pipeline.
struct SafetyFolder {
  std::filesystem::path checker;       // has config.json and model.safetensors
  std::filesystem::path preprocessor;  // preprocessor_config.json; empty: there is none

  // Throws Error(model) when there is no checker in `folder`, or one whose weights are in pytorch_model.bin alone.
  explicit SafetyFolder(const std::filesystem::path& folder);
};

// config.json and preprocessor_config.json.
// Upstream: CLIPConfig, CLIPVisionConfig, CLIPImageProcessor
struct SafetyConfig {
  int64_t dim = 0;          // hidden_size, D
  int64_t inner_dim = 0;    // intermediate_size
  int64_t layers = 0;       // num_hidden_layers
  int64_t heads = 0;        // num_attention_heads
  int64_t image_size = 0;   // pixels a side of what the model sees
  int64_t patch = 0;        // patch_size: pixels a side of a patch
  double norm_eps = 0;      // layer_norm_eps
  bool quick_gelu = false;  // hidden_act: quick_gelu, else gelu
  int64_t projection = 0;   // projection_dim, E

  int64_t shortest_edge = 0;  // size: pixels of the shorter side before the middle is cut out
  double rescale = 0;         // rescale_factor
  std::vector<double> mean;   // image_mean, for red, green and blue
  std::vector<double> std;    // image_std, likewise

  int64_t patches() const { return (image_size / patch) * (image_size / patch); }  // N

  // Checks each value, and that they fit together. Throws Error(model) naming the file, the key, what was expected and
  // what was found.
  explicit SafetyConfig(const SafetyFolder& folder);
};

}  // namespace glm
