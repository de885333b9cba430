// Everything about a model that its json files say. No dimension, id or count is a literal elsewhere in engine/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glm {

// vision_language_encoder/config.json, text_config. Upstream: GlmImageTextConfig
struct PriorConfig {
  int64_t dim;            // hidden_size, D
  int64_t inner_dim;      // intermediate_size
  int64_t layers;         // num_hidden_layers
  int64_t heads;          // num_attention_heads
  int64_t kv_heads;       // num_key_value_heads
  int64_t head_dim;       // explicit, or dim / heads
  int64_t vocab;          // vocab_size: rows of the embedding
  int64_t vision_vocab;   // vision_vocab_size: rows of the head, V
  int64_t max_positions;  // max_position_embeddings
  double norm_eps;        // rms_norm_eps
  bool attention_bias;
  double rope_theta;
  double rotary_fraction;              // partial_rotary_factor
  std::vector<int64_t> mrope_section;  // frequencies that turn with t, h, w
  int64_t rotary_dim() const { return static_cast<int64_t>(static_cast<double>(head_dim) * rotary_fraction); }
};

// vision_language_encoder/config.json, the ids, and generation_config.json
struct GenerationConfig {
  int64_t image_begin;  // image_start_token_id
  int64_t image_end;    // image_end_token_id
  int64_t codebook;     // vq_config.num_embeddings: ids below are image tokens
  int64_t eos;
  double temperature;
  double top_p;
  int64_t top_k;
};

// text_encoder/config.json. Upstream: T5Config
struct GlyphConfig {
  int64_t dim;           // d_model, E
  int64_t inner_dim;     // d_ff
  int64_t heads;         // num_heads
  int64_t head_dim;      // d_kv
  int64_t layers;        // num_layers
  int64_t vocab;         // vocab_size
  int64_t buckets;       // relative_attention_num_buckets
  int64_t max_distance;  // relative_attention_max_distance
  double norm_eps;       // layer_norm_epsilon
};

// transformer/config.json. Upstream: GlmImageTransformer2DModel
struct DitConfig {
  int64_t layers;       // num_layers
  int64_t heads;        // num_attention_heads
  int64_t head_dim;     // attention_head_dim
  int64_t in_channels;  // C
  int64_t out_channels;
  int64_t patch;     // patch_size
  int64_t text_dim;  // text_embed_dim, E
  int64_t time_dim;  // time_embed_dim
  int64_t condition_dim;
  int64_t codebook;                                 // prior_vq_quantizer_codebook_size
  int64_t dim() const { return heads * head_dim; }  // D
};

// vae/config.json. Upstream: AutoencoderKL
struct VaeConfig {
  std::vector<int64_t> channels;  // block_out_channels
  int64_t layers_per_block;
  int64_t latent_channels;                                               // C
  int64_t image_channels;                                                // out_channels
  int64_t groups;                                                        // norm_num_groups
  int64_t sample_size;                                                   // pixels
  bool mid_attention;                                                    // mid_block_add_attention
  bool post_quant_conv;                                                  // use_post_quant_conv
  std::vector<double> latents_mean;                                      // [C]
  std::vector<double> latents_std;                                       // [C]
  int64_t scale() const { return int64_t{1} << (channels.size() - 1); }  // pixels per latent
};

// scheduler/scheduler_config.json. Upstream: FlowMatchEulerDiscreteScheduler
struct ScheduleConfig {
  int64_t train_timesteps;    // num_train_timesteps
  int64_t base_image_length;  // base_image_seq_len
  double base_shift;
  double max_shift;
};

// What a picture gets when the request doesn't say: glm_image.json where there is one, else upstream's.
struct PictureDefaults {
  int64_t width;
  int64_t height;
  int64_t steps;
  double guidance;
};

struct ModelConfig {
  PriorConfig prior;
  GenerationConfig generation;
  GlyphConfig glyph;
  DitConfig dit;
  VaeConfig vae;
  ScheduleConfig schedule;
  PictureDefaults picture;
  std::string dtype;  // the vision_language_encoder's: "float32", "bfloat16" or "float16"

  // Reads and cross-checks the json files of a checkpoint in the public layout. Throws Error(model) naming the file,
  // the key, what was expected and what was found.
  explicit ModelConfig(const std::filesystem::path& folder);
};

}  // namespace glm
