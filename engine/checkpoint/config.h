// Reads a model's json files. The rest of engine/ takes every dimension, id and count of a model from these structures,
// and from nowhere else. A member has the name of its json key; where it has another name, a comment tells the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/grid.h"

namespace glm {

// vision_language_encoder/config.json, text_config. Upstream: GlmImageTextConfig
struct PriorConfig {
  int64_t dim = 0;            // hidden_size, D
  int64_t inner_dim = 0;      // intermediate_size
  int64_t layers = 0;         // num_hidden_layers
  int64_t heads = 0;          // num_attention_heads
  int64_t kv_heads = 0;       // num_key_value_heads
  int64_t head_dim = 0;       // dim / heads where the file doesn't have it
  int64_t vocab = 0;          // vocab_size: rows of the embedding
  int64_t vision_vocab = 0;   // vision_vocab_size: rows of lm_head, V
  int64_t max_positions = 0;  // max_position_embeddings
  double norm_eps = 0;        // rms_norm_eps
  bool attention_bias = false;
  double rope_theta = 0;
  double rotary_fraction = 0;          // partial_rotary_factor
  std::vector<int64_t> mrope_section;  // [3], how many frequencies rotate with t, with h and with w
  int64_t rotary_dim() const { return static_cast<int64_t>(static_cast<double>(head_dim) * rotary_fraction); }
};

// The ids come from vision_language_encoder/config.json, the rest from its generation_config.json. glm_image.json may
// replace temperature, top_p and top_k.
struct GenerationConfig {
  int64_t image_begin = 0;   // image_start_token_id
  int64_t image_end = 0;     // image_end_token_id
  int64_t image_token = 0;   // image_token_id: stands in a prompt for each token of a reference
  int64_t codebook = 0;      // vq_config.num_embeddings: ids below it are image tokens
  std::vector<int64_t> eos;  // eos_token_id, or image_end
  double temperature = 0;
  double top_p = 0;
  int64_t top_k = 0;
};

// vision_language_encoder/config.json, vision_config. Upstream: GlmImageVisionConfig
struct VisionConfig {
  int64_t dim = 0;        // hidden_size, D
  int64_t inner_dim = 0;  // intermediate_size
  int64_t layers = 0;     // depth
  int64_t heads = 0;      // num_heads
  int64_t patch = 0;      // patch_size: pixels a side of a patch
  int64_t channels = 0;   // in_channels
  int64_t positions = 0;  // image_size in patches: entries a side of the position table
  double norm_eps = 0;    // layer_norm_eps
  bool attention_bias = false;
};

// vision_language_encoder/config.json, vq_config. Upstream: GlmImageVQVAEConfig
struct CodebookConfig {
  int64_t entries = 0;   // num_embeddings
  int64_t dim = 0;       // embed_dim, E
  int64_t features = 0;  // latent_channels: width of the vision tower's features, D
};

// processor/preprocessor_config.json, or image_processor in processor/processor_config.json: how a reference picture is
// prepared for the vision tower. The first two numbers are squares: of the least that the shorter side should have, and
// of the most that the longer side may have. Upstream: GlmImageImageProcessor
struct PreprocessorConfig {
  int64_t min_pixels = 0;    // min_pixels, or size.shortest_edge
  int64_t max_pixels = 0;    // max_pixels, or size.longest_edge
  double rescale = 0;        // rescale_factor
  std::vector<double> mean;  // image_mean, for red, green and blue
  std::vector<double> std;   // image_std, likewise
};

// text_encoder/config.json. Upstream: T5Config
struct GlyphConfig {
  int64_t dim = 0;           // d_model, E
  int64_t inner_dim = 0;     // d_ff
  int64_t heads = 0;         // num_heads
  int64_t head_dim = 0;      // d_kv
  int64_t layers = 0;        // num_layers
  int64_t vocab = 0;         // vocab_size
  int64_t buckets = 0;       // relative_attention_num_buckets
  int64_t max_distance = 0;  // relative_attention_max_distance
  double norm_eps = 0;       // layer_norm_epsilon
};

// transformer/config.json. Upstream: GlmImageTransformer2DModel
struct DitConfig {
  int64_t layers = 0;       // num_layers
  int64_t heads = 0;        // num_attention_heads
  int64_t head_dim = 0;     // attention_head_dim
  int64_t in_channels = 0;  // C
  int64_t out_channels = 0;
  int64_t patch = 0;     // patch_size
  int64_t text_dim = 0;  // text_embed_dim, E
  int64_t time_dim = 0;  // time_embed_dim
  int64_t condition_dim = 0;
  int64_t codebook = 0;                             // prior_vq_quantizer_codebook_size
  int64_t dim() const { return heads * head_dim; }  // D
};

// vae/config.json. Upstream: AutoencoderKL
struct VaeConfig {
  std::vector<int64_t> channels;  // block_out_channels
  int64_t layers_per_block = 0;
  int64_t latent_channels = 0;       // C
  int64_t image_channels = 0;        // out_channels
  int64_t groups = 0;                // norm_num_groups
  int64_t sample_size = 0;           // pixels a side of the default picture
  bool mid_attention = false;        // mid_block_add_attention
  bool quant_conv = false;           // use_quant_conv
  bool post_quant_conv = false;      // use_post_quant_conv
  std::vector<double> latents_mean;  // [C]
  std::vector<double> latents_std;   // [C]
  int64_t pixels_per_latent() const { return int64_t{1} << (channels.size() - 1); }  // pixels per latent
};

// scheduler/scheduler_config.json. Upstream: FlowMatchEulerDiscreteScheduler
struct ScheduleConfig {
  int64_t train_timesteps = 0;    // num_train_timesteps
  int64_t base_image_length = 0;  // base_image_seq_len
  double base_shift = 0;
  double max_shift = 0;
};

// What a picture gets when the request doesn't say. The values come from glm_image.json; where that has none, they are
// upstream's.
struct PictureDefaults {
  int64_t width = 0;
  int64_t height = 0;
  int64_t steps = 0;
  double guidance = 0;
};

// The size of a rendered picture, in each stage's own units.
struct Geometry {
  int64_t height;  // pixels
  int64_t width;   // pixels
  Grid tokens;     // the prior's
  Grid patches;    // the DiT's: 2 x 2 for each token
  Grid latents;    // the VAE's
};

struct ModelConfig {
  PriorConfig prior;
  GenerationConfig generation;
  VisionConfig vision;
  CodebookConfig codebook;
  PreprocessorConfig preprocessor;
  GlyphConfig glyph;
  DitConfig dit;
  VaeConfig vae;
  ScheduleConfig schedule;
  PictureDefaults picture;
  std::string dtype;                  // the vision_language_encoder's: "float32", "bfloat16" or "float16"
  std::string quantised;              // how components were quantised that are; "" where none is
  std::vector<std::string> warnings;  // about files that are missing and may be

  int64_t patch() const { return vae.pixels_per_latent() * dit.patch; }  // pixels a side of a patch of the DiT
  int64_t cell() const { return 2 * patch(); }                           // pixels a side of a token
  Geometry geometry(Grid tokens) const;                                  // the size of a picture of so many tokens
  std::vector<int64_t> latent_shape(Grid tokens) const;                  // the shape of its latents, [1, C, h, w]

  // Reads the json files of a checkpoint in the public layout, and checks each and that they fit together. Throws
  // Error(model) naming the file, the key, what was expected and what was found.
  explicit ModelConfig(const std::filesystem::path& folder);
};

}  // namespace glm
