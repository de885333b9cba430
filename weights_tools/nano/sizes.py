"""Every dimension of nano, as the public layout's configuration files say them."""
CODES = 1024                       # entries of the codebook, the ids below are image tokens
IMAGE_BEGIN, IMAGE_END = CODES, CODES + 1
TEXT_BEGIN = CODES + 128           # rows of the prior's head; the ids from here on are text
PATCH = 16                         # of the vision tower, pixels
LATENT_CHANNELS, LATENT_SCALE = 8, 8

VAE = {
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.39.0", "act_fn": "silu",
    "block_out_channels": [16, 32, 64, 96], "down_block_types": ["DownEncoderBlock2D"] * 4, "force_upcast": True,
    "in_channels": 3, "latent_channels": LATENT_CHANNELS, "layers_per_block": 1, "mid_block_add_attention": False,
    "norm_num_groups": 4, "out_channels": 3, "sample_size": 256, "scaling_factor": 1.0, "shift_factor": None,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "use_post_quant_conv": False, "use_quant_conv": False,
}
VISION = {
    "attention_bias": True, "attention_dropout": 0.0, "depth": 3, "hidden_act": "gelu", "hidden_size": 128,
    "image_size": 256, "in_channels": 3, "initializer_range": 0.02, "intermediate_size": 512, "layer_norm_eps": 1e-06,
    "model_type": "glm_image_vision", "num_heads": 4, "patch_size": PATCH, "spatial_merge_size": 1,
}
CODEBOOK = {"embed_dim": 32, "in_channels": 3, "initializer_range": 0.02, "latent_channels": 128,
            "model_type": "glm_image_vqmodel", "num_embeddings": CODES}
# rope_theta is 10: with 16 frequencies and 10000 the last axis would hardly turn.
TEXT = {
    "attention_bias": True, "attention_dropout": 0.0, "eos_token_id": IMAGE_END, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 192, "initializer_range": 0.02, "intermediate_size": 512, "max_position_embeddings": 4096,
    "model_type": "glm_image_text", "num_attention_heads": 3, "num_hidden_layers": 6, "num_key_value_heads": 1,
    "rms_norm_eps": 1e-05,
    "rope_parameters": {
        "mrope_section": [4, 6, 6], "partial_rotary_factor": 0.5, "rope_theta": 10.0, "rope_type": "default"},
    "use_cache": True, "vision_vocab_size": TEXT_BEGIN,
}
GLYPH = {
    "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0, "d_ff": 256, "d_kv": 32, "d_model": 128,
    "dense_act_fn": "gelu_new", "dropout_rate": 0.0, "dtype": "bfloat16", "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_decoder": False, "is_encoder_decoder": False,
    "is_gated_act": True, "layer_norm_epsilon": 1e-06, "model_type": "t5", "num_decoder_layers": 2, "num_heads": 4,
    "num_layers": 2, "pad_token_id": 0, "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
    "scale_decoder_outputs": False, "tie_word_embeddings": True, "transformers_version": "5.17.0", "use_cache": False,
    "vocab_size": 384,
}
DECODER = {
    "_class_name": "GlmImageTransformer2DModel", "_diffusers_version": "0.39.0", "attention_head_dim": 64,
    "condition_dim": 32, "in_channels": LATENT_CHANNELS, "num_attention_heads": 4, "num_layers": 6,
    "out_channels": LATENT_CHANNELS, "patch_size": 2, "prior_vq_quantizer_codebook_size": CODES,
    "text_embed_dim": GLYPH["d_model"], "time_embed_dim": 64,
}
SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.39.0", "base_image_seq_len": 256,
    "base_shift": 0.25, "invert_sigmas": False, "max_image_seq_len": 4096, "max_shift": 0.75,
    "num_train_timesteps": 1000, "shift": 1.0, "shift_terminal": None, "stochastic_sampling": False,
    "time_shift_type": "linear", "use_beta_sigmas": False, "use_dynamic_shifting": True,
    "use_exponential_sigmas": False, "use_karras_sigmas": False,
}


def grid(width, height):
    """Rows and columns of the large grid: one token for 32x32 pixels."""
    return height // 32, width // 32


def preview_grid(width, height):
    """Rows and columns of the preview, about 16x16 of the picture's aspect."""
    rows, columns = grid(width, height)
    ratio = rows / columns
    return int(16 * ratio**0.5), int(16 * (1 / ratio)**0.5)


def time_shift(width, height):
    """mu of the schedule: 1 at 256x256."""
    tokens = width * height // (2 * LATENT_SCALE)**2
    return (tokens / SCHEDULER["base_image_seq_len"])**0.5 * SCHEDULER["max_shift"] + SCHEDULER["base_shift"]
