// What upstream's classes take where a json file lacks a key.
#pragma once

namespace glm {

// The defaults of upstream's classes, which hold where a key is absent. They come from transformers 5.17.0
// (configuration_glm_image.py, configuration_t5.py, and generation/configuration_utils.py for what sampling falls back
// to) and diffusers 0.39.0 (transformer_glm_image.py, autoencoder_kl.py, scheduling_flow_match_euler_discrete.py, and
// pipeline_glm_image.py for "picture"). A key that stands in no list is required.
inline constexpr const char* kDefaults = R"({
  "vision_language_encoder": {"image_start_token_id": 16384, "image_end_token_id": 16385,
    "image_token_id": 167855, "dtype": "float32", "tie_word_embeddings": false},
  "text_config": {"vocab_size": 168064, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
    "num_attention_heads": 32, "num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-05, "vision_vocab_size": 16512, "attention_bias": true},
  "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 1.0,
    "mrope_section": [8, 12, 12]},
  "vision_config": {"depth": 40, "hidden_size": 1536, "hidden_act": "gelu", "attention_bias": true, "num_heads": 16,
    "in_channels": 3, "image_size": 2048, "patch_size": 16, "spatial_merge_size": 1, "intermediate_size": 6144,
    "layer_norm_eps": 1e-06},
  "vq_config": {"embed_dim": 2048, "num_embeddings": 16384, "latent_channels": 1536},
  "preprocessor": {"do_resize": true, "do_rescale": true, "do_normalize": true, "do_convert_rgb": true, "resample": 3,
    "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2, "rescale_factor": 0.00392156862745098,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]},
  "size": {"shortest_edge": 3136, "longest_edge": 1003520},
  "generation_config": {"temperature": 1.0, "top_p": 1.0, "top_k": 50},
  "text_encoder": {"vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
    "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-06,
    "feed_forward_proj": "relu"},
  "transformer": {"patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 30, "attention_head_dim": 40,
    "num_attention_heads": 64, "text_embed_dim": 1472, "time_embed_dim": 512, "condition_dim": 256,
    "prior_vq_quantizer_codebook_size": 16384},
  "vae": {"in_channels": 3, "out_channels": 3, "block_out_channels": [64], "layers_per_block": 1, "act_fn": "silu",
    "latent_channels": 4, "norm_num_groups": 32, "sample_size": 32, "use_quant_conv": true,
    "use_post_quant_conv": true, "mid_block_add_attention": true, "up_block_types": ["UpDecoderBlock2D"],
    "down_block_types": ["DownEncoderBlock2D"]},
  "scheduler": {"num_train_timesteps": 1000, "use_dynamic_shifting": false, "base_shift": 0.5, "max_shift": 1.15,
    "base_image_seq_len": 256, "time_shift_type": "exponential", "shift_terminal": null, "invert_sigmas": false,
    "use_karras_sigmas": false, "use_exponential_sigmas": false, "use_beta_sigmas": false, "stochastic_sampling": false},
  "picture": {"steps": 50, "guidance": 1.5}
})";

}  // namespace glm
