"""The dimensions of the tiny checkpoints that make_tiny.py writes.

a  fp32 everywhere, one file per component, codebook 256
b  bf16 AR/DiT/VAE (T5 fp32 on disk, like the public files), other dims, AR and DiT sharded with an index, codebook 384
c  fp32; odd but legal: no attention biases, explicit head_dim, one KV head, full rotary, 8 latent channels, VAE with
   mid attention, quant convs and scaling/shift factors (which the pipeline ignores), other scheduler, sampling and
   preprocessor values, codebook 320
d  fp32; a latent covers 4x4 pixels instead of 8x8 (VAE of three levels) and the DiT's patch 4x4 latents instead of 2x2;
   2 latent channels, as many KV heads as heads, codebook 288
k  bf16; the public heads' shape (128 wide, 32 on 2) at small depth, for kernels made for it
q  bf16; layers with 32, 64 or 96 columns, which make_quantised_checkpoints.py quantises
"""
MEAN16 = [-0.2080078125, 1.875, -0.470703125, -1.265625, -1.421875, 0.77734375, -0.3671875, -0.9453125,
          0.318359375, 0.7734375, -0.1884765625, -0.022216796875, -0.220703125, -1.59375, -0.81640625, -0.255859375]
STD16 = [3.0625, 2.203125, 2.265625, 4.84375, 2.5, 3.9375, 2.203125, 3.03125,
         2.1875, 2.046875, 2.71875, 2.390625, 2.390625, 2.453125, 2.25, 2.15625]

PLAIN_VAE = dict(mid_block_add_attention=False, use_quant_conv=False, use_post_quant_conv=False,
                 scaling_factor=0.18215, shift_factor=None)
PUBLIC_SCHEDULE = dict(base_image_seq_len=256, max_image_seq_len=4096, base_shift=0.25, max_shift=0.75)
PUBLIC_SAMPLING = dict(temperature=0.9, top_p=0.75, top_k=None)      # top_k None: the whole vision vocabulary
PUBLIC_PIXELS = dict(min_pixels=262144, max_pixels=4194304)

VARIANTS = {}

VARIANTS["a"] = dict(
    seed_offset=1000, dtype="float32", shard_sizes={},
    codebook=256, extra_ids=16, merges=300, all_codes_added=True, ignore_merges=True,
    text=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
              head_dim=32, rms_norm_eps=1e-5),
    rope=dict(rope_theta=10000, mrope_section=[2, 3, 3], partial_rotary_factor=0.5),
    vision=dict(depth=2, hidden_size=32, num_heads=4, intermediate_size=64, image_size=512, attention_bias=True,
                layer_norm_eps=1e-6),
    vq_dim=48,
    t5=dict(d_model=64, d_ff=96, d_kv=16, num_heads=3, num_layers=2, relative_attention_num_buckets=32,
            relative_attention_max_distance=128),
    dit=dict(patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=32, num_attention_heads=2,
             text_embed_dim=64, time_embed_dim=64, condition_dim=32),
    vae=dict(block_out_channels=[8, 16, 24, 24], layers_per_block=3, latent_channels=16, norm_num_groups=4, **PLAIN_VAE),
    mean=MEAN16, std=STD16, schedule=PUBLIC_SCHEDULE, sampling=PUBLIC_SAMPLING, pixels=PUBLIC_PIXELS)

VARIANTS["b"] = dict(
    seed_offset=2000, dtype="bfloat16", shard_sizes=dict(vision_language_encoder="300KB", transformer="200KB"),
    codebook=384, extra_ids=64, merges=200, all_codes_added=False, ignore_merges=False,
    text=dict(hidden_size=96, intermediate_size=112, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
              rms_norm_eps=1e-5),
    rope=dict(rope_theta=10000, mrope_section=[1, 1, 2], partial_rotary_factor=0.5),
    vision=dict(depth=1, hidden_size=48, num_heads=3, intermediate_size=56, image_size=128, attention_bias=True,
                layer_norm_eps=1e-6),
    vq_dim=40,
    t5=dict(d_model=40, d_ff=56, d_kv=12, num_heads=5, num_layers=3, relative_attention_num_buckets=32,
            relative_attention_max_distance=128),
    dit=dict(patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=24, num_attention_heads=3,
             text_embed_dim=40, time_embed_dim=48, condition_dim=24),
    vae=dict(block_out_channels=[8, 8, 16, 16], layers_per_block=1, latent_channels=16, norm_num_groups=8, **PLAIN_VAE),
    mean=MEAN16[::-1], std=STD16[::-1], schedule=PUBLIC_SCHEDULE, sampling=PUBLIC_SAMPLING, pixels=PUBLIC_PIXELS)

VARIANTS["c"] = dict(
    seed_offset=3000, dtype="float32", shard_sizes=dict(transformer="300KB"),
    codebook=320, extra_ids=8, merges=150, all_codes_added=False, ignore_merges=True,
    text=dict(hidden_size=72, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=1,
              head_dim=16, rms_norm_eps=1e-4, attention_bias=False),
    rope=dict(rope_theta=5000.0, mrope_section=[2, 3, 3], partial_rotary_factor=1.0),
    vision=dict(depth=1, hidden_size=32, num_heads=2, intermediate_size=48, image_size=128, attention_bias=False,
                layer_norm_eps=1e-5),
    vq_dim=24,
    t5=dict(d_model=40, d_ff=80, d_kv=8, num_heads=4, num_layers=2, relative_attention_num_buckets=16,
            relative_attention_max_distance=64),
    dit=dict(patch_size=2, in_channels=8, out_channels=8, num_layers=2, attention_head_dim=16, num_attention_heads=3,
             text_embed_dim=40, time_embed_dim=56, condition_dim=32),
    vae=dict(block_out_channels=[8, 8, 8, 16], layers_per_block=2, latent_channels=8, norm_num_groups=8,
             mid_block_add_attention=True, use_quant_conv=True, use_post_quant_conv=True,
             scaling_factor=0.5, shift_factor=0.25),
    mean=[0.25, -0.5, 1.0, 0.125, -1.5, 0.75, -0.0625, 0.375], std=[1.5, 0.75, 2.0, 1.25, 3.0, 0.5, 1.0, 1.75],
    schedule=dict(base_image_seq_len=128, max_image_seq_len=4096, base_shift=0.5, max_shift=1.125),
    sampling=dict(temperature=1.25, top_p=0.9, top_k=40), pixels=dict(min_pixels=16384, max_pixels=262144))

VARIANTS["d"] = dict(
    seed_offset=4000, dtype="float32", shard_sizes={},
    codebook=288, extra_ids=32, merges=120, all_codes_added=False, ignore_merges=False,
    text=dict(hidden_size=56, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
              head_dim=20, rms_norm_eps=1e-5),
    rope=dict(rope_theta=10000, mrope_section=[1, 2, 2], partial_rotary_factor=0.5),
    vision=dict(depth=1, hidden_size=24, num_heads=3, intermediate_size=40, image_size=192, attention_bias=True,
                layer_norm_eps=1e-6),
    vq_dim=20,
    t5=dict(d_model=36, d_ff=44, d_kv=10, num_heads=4, num_layers=2, relative_attention_num_buckets=32,
            relative_attention_max_distance=128),
    dit=dict(patch_size=4, in_channels=2, out_channels=2, num_layers=2, attention_head_dim=20, num_attention_heads=2,
             text_embed_dim=36, time_embed_dim=40, condition_dim=20),
    vae=dict(block_out_channels=[8, 12, 16], layers_per_block=1, latent_channels=2, norm_num_groups=4, **PLAIN_VAE),
    mean=[0.375, -0.8125], std=[1.75, 2.5],
    schedule=PUBLIC_SCHEDULE, sampling=PUBLIC_SAMPLING, pixels=PUBLIC_PIXELS)

VARIANTS["k"] = dict(
    seed_offset=5000, dtype="bfloat16", shard_sizes={},
    codebook=320, extra_ids=64, merges=180, all_codes_added=False, ignore_merges=True,
    text=dict(hidden_size=32, intermediate_size=80, num_hidden_layers=2, num_attention_heads=32, num_key_value_heads=2,
              head_dim=128, rms_norm_eps=1e-5),
    rope=dict(rope_theta=10000, mrope_section=[8, 12, 12], partial_rotary_factor=0.5),
    vision=dict(depth=1, hidden_size=32, num_heads=1, intermediate_size=32, image_size=128, attention_bias=True,
                layer_norm_eps=1e-6),
    vq_dim=32,
    t5=dict(d_model=32, d_ff=48, d_kv=64, num_heads=2, num_layers=1, relative_attention_num_buckets=32,
            relative_attention_max_distance=128),
    dit=dict(patch_size=2, in_channels=16, out_channels=16, num_layers=1, attention_head_dim=128, num_attention_heads=1,
             text_embed_dim=32, time_embed_dim=32, condition_dim=16),
    vae=dict(block_out_channels=[8, 12, 16, 16], layers_per_block=1, latent_channels=16, norm_num_groups=4, **PLAIN_VAE),
    mean=MEAN16, std=STD16, schedule=PUBLIC_SCHEDULE, sampling=PUBLIC_SAMPLING, pixels=PUBLIC_PIXELS)

VARIANTS["q"] = dict(
    seed_offset=6000, dtype="bfloat16", shard_sizes={},
    codebook=256, extra_ids=32, merges=100, all_codes_added=False, ignore_merges=True,
    text=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              head_dim=32, rms_norm_eps=1e-5),
    rope=dict(rope_theta=10000, mrope_section=[2, 3, 3], partial_rotary_factor=0.5),
    vision=dict(depth=1, hidden_size=32, num_heads=2, intermediate_size=64, image_size=128, attention_bias=True,
                layer_norm_eps=1e-6),
    vq_dim=32,
    t5=dict(d_model=64, d_ff=96, d_kv=16, num_heads=4, num_layers=1, relative_attention_num_buckets=32,
            relative_attention_max_distance=128),
    dit=dict(patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=32, num_attention_heads=2,
             text_embed_dim=64, time_embed_dim=32, condition_dim=16),
    vae=dict(block_out_channels=[8, 8, 16, 16], layers_per_block=1, latent_channels=16, norm_num_groups=4, **PLAIN_VAE),
    mean=MEAN16, std=STD16, schedule=PUBLIC_SCHEDULE, sampling=PUBLIC_SAMPLING, pixels=PUBLIC_PIXELS)
