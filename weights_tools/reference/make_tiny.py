#!/usr/bin/env python
"""Write a complete, tiny, randomly initialised GLM-Image checkpoint in the public folder layout.

    python make_tiny.py [--variant a|b|c|d|k|q] [--seed 0] [--out DIR]

tiny_variants.py describes the variants. The same variant and seed give the same files. weights.json among them is the recipe of
the weights: tests/checkpoints keeps it and the other json files, and the build of the tests draws the weights again.
"""
import argparse
import copy
import json
import os
import shutil

import torch
from diffusers import AutoencoderKL, GlmImagePipeline, GlmImageTransformer2DModel
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import ByT5Tokenizer, GlmImageConfig, GlmImageForConditionalGeneration, T5Config, T5EncoderModel

from run_oracle import checkpoint_folder
from tiny_variants import VARIANTS
from tiny_weights import component, randomize, write_recipe

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
            "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
            "<|end_of_video|>", "<|image|>", "<|video|>"]
CORPUS = [
    "A photo of an astronaut riding a horse on mars. ",
    "A cute cat sitting on a wooden table, holding a sign that says \"Hello World\". ",
    "Add a red hat to this cat. ",
    "The quick brown fox jumps over the lazy dog; it's raining and they're happy, we'll see. ",
    "一只可爱的猫坐在木桌上，海报上写着“欢迎光临”。 ",
    "A poster with the text 'OPEN 24 HOURS' and the number 1234567890. ",
    "32 32 16 16 18 14 36 24 19 13 8 8 40 30 64 64 12 21 34 60 ",
    "watercolor painting of mountains at sunset, highly detailed, 4k\n\nstyle: soft light ",
    "Ünïcödé naïve café ﬁ 日本語のテキスト 「看板」 Привет мир ",
]
CHAT_TEMPLATE = (
    "{%- for m in messages -%}\n{%- if m.content is string -%}\n{{ m.content }}\n{%- else -%}\n"
    "{%- for item in m.content -%}\n{%- if item.type == 'image' or item.get('image') is not none -%}\n"
    "<|dit_token_START|><|image|><|dit_token_END|>\n{%- elif item.type == 'text' -%}\n{{ item.text }}\n"
    "{%- endif -%}\n{%- endfor -%}\n{%- endif -%}\n{%- endfor -%}")


def write_json(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(content, f, indent=2, ensure_ascii=False)
        f.write("\n")


# ---------------------------------------------------------------------------------------------- tokenizer

def close_merges(vocab, merges):
    """Lists every split of every merged token, in the order of the tokens: merging by pair rank and by piece rank then agree."""
    listed = {}
    for left, right in map(tuple, merges):
        listed.setdefault(left + right, []).append((left, right))
    closed = []
    for token, known in listed.items():
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        closed += known + [s for s in splits if s[0] in vocab and s[1] in vocab and s not in known]
    return [list(pair) for pair in closed]


def train_bpe(merges):
    """Returns (tokens in id order, merges) of a byte-level BPE trained on CORPUS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(CORPUS * 2, trainers.BpeTrainer(
        vocab_size=256 + merges, min_frequency=1, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def build_tokenizer(cfg):
    """Returns (tokenizer.json, tokenizer_config.json, ids of the special tokens, number of ids used)."""
    codebook, codes = cfg["codebook"], cfg["codebook"] + cfg["extra_ids"]
    code_token = "<|dit_token_{}|>".format
    tokens, merges = train_bpe(cfg["merges"])
    vocab = {code_token(i): i for i in range(codes)}
    for token in tokens:
        vocab[token] = len(vocab)
    if cfg["ignore_merges"]:
        vocab["Ġoracle"] = len(vocab)        # only ignore_merges can reach it: no merge leads to it

    added = [(i, code_token(i)) for i in (range(codes) if cfg["all_codes_added"] else (codebook, codebook + 1))]
    added += [(len(vocab) + i, s) for i, s in enumerate(SPECIALS)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}

    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": s, **plain} for i, s in sorted(added)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_]},
        "post_processor": {**bytes_, "trim_offsets": False},
        "decoder": {**bytes_, "add_prefix_space": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": cfg["ignore_merges"], "vocab": vocab, "merges": close_merges(vocab, merges)},
    }
    named = {"grid_bos_token": "<sop>", "grid_eos_token": "<eop>", "image_token": "<|image|>"}
    config = {
        "added_tokens_decoder": {str(i): {"content": s, **plain} for i, s in sorted(added)},
        "bos_token": code_token(codebook), "eos_token": code_token(codebook + 1), "pad_token": code_token(codebook + 1),
        **named, "extra_special_tokens": named,
        "clean_up_tokenization_spaces": False, "do_lower_case": False, "model_max_length": 65536,
        "padding_side": "left", "remove_space": False, "processor_class": "GlmImageProcessor",
        "tokenizer_class": "TokenizersBackend",
    }
    return tokenizer, config, {s: i for i, s in added}, len(vocab) + len(SPECIALS)


# ---------------------------------------------------------------------------------------------- components

def without(config, *names):
    return {k: v for k, v in config.items() if k not in names and not k.startswith("_")}


def write_processor(out, cfg):
    """Returns the ids of the special tokens and the size of the vocabulary, a multiple of 32."""
    tokenizer, tokenizer_config, ids, used = build_tokenizer(cfg)
    os.makedirs(f"{out}/processor")
    with open(f"{out}/processor/tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(tokenizer, f, ensure_ascii=False, indent=1)
    write_json(f"{out}/processor/tokenizer_config.json", tokenizer_config)
    write_json(f"{out}/processor/preprocessor_config.json", {
        **cfg["pixels"], "do_rescale": True, "patch_size": 16, "temporal_patch_size": 1, "merge_size": 1,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_resize": True, "do_normalize": True,
        "rescale_factor": 1 / 255, "resample": 3, "image_processor_type": "GlmImageImageProcessor",
        "processor_class": "GlmImageProcessor"})
    with open(f"{out}/processor/chat_template.jinja", "w") as f:
        f.write(CHAT_TEMPLATE.replace("START", str(cfg["codebook"])).replace("END", str(cfg["codebook"] + 1)))
    return ids, (used + 31) // 32 * 32


def write_ar(out, cfg, generator, ids, vocab_size):
    codebook, codes, dtype = cfg["codebook"], cfg["codebook"] + cfg["extra_ids"], cfg["dtype"]
    config = {
        "architectures": ["GlmImageForConditionalGeneration"], "dtype": dtype,
        "image_start_token_id": codebook, "image_end_token_id": codebook + 1, "image_token_id": ids["<|image|>"],
        "model_type": "glm_image",
        "text_config": {
            "attention_dropout": 0.0, "eos_token_id": codebook + 1, "pad_token_id": ids["<|endoftext|>"],
            "hidden_act": "silu", "initializer_range": 0.02, "max_position_embeddings": 131072,
            "model_type": "glm_image_text", "dtype": dtype, "rope_parameters": {**cfg["rope"], "rope_type": "default"},
            "use_cache": True, "vision_vocab_size": codes, "vocab_size": vocab_size, **cfg["text"]},
        "transformers_version": "5.0.0.dev0",
        "vision_config": {
            "attention_dropout": 0.0, "hidden_act": "gelu", "in_channels": 3, "initializer_range": 0.02,
            "model_type": "glm_image_vision", "patch_size": 16, "spatial_merge_size": 1, "dtype": dtype, **cfg["vision"]},
        "vq_config": {
            "embed_dim": cfg["vq_dim"], "in_channels": 3, "initializer_range": 0.02,
            "latent_channels": cfg["vision"]["hidden_size"], "model_type": "glm_image_vqmodel",
            "num_embeddings": codebook, "dtype": dtype},
    }
    arguments = copy.deepcopy(without(config, "architectures", "transformers_version"))
    model = GlmImageForConditionalGeneration(GlmImageConfig(**arguments)).float().eval()
    recipe = save(model, out, "vision_language_encoder", cfg, generator, config)
    write_json(f"{out}/vision_language_encoder/generation_config.json", {
        "_from_model_config": True, "do_sample": True, "eos_token_id": codebook + 1, "pad_token_id": ids["<|image|>"],
        "temperature": cfg["sampling"]["temperature"], "top_k": cfg["sampling"]["top_k"] or codes,
        "top_p": cfg["sampling"]["top_p"], "transformers_version": "5.0.0.dev0"})
    return recipe


def write_glyph_encoder(out, cfg, generator):
    config = {
        "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0, "dense_act_fn": "gelu_new", "dropout_rate": 0.1,
        "decoder_start_token_id": 0, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
        "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-6, "model_type": "t5",
        "num_decoder_layers": 4, "pad_token_id": 0, "tie_word_embeddings": False, "tokenizer_class": "ByT5Tokenizer",
        "dtype": "float32", "transformers_version": "5.0.0.dev0", "use_cache": True, "vocab_size": 384, **cfg["t5"]}
    arguments = without(config, "architectures", "transformers_version", "model_type", "dtype", "dense_act_fn", "is_gated_act")
    model = T5EncoderModel(T5Config(**arguments)).float().eval()
    ByT5Tokenizer().save_pretrained(f"{out}/tokenizer")
    return save(model, out, "text_encoder", cfg, generator, config)


def write_dit(out, cfg, generator):
    config = {"_class_name": "GlmImageTransformer2DModel", "_diffusers_version": "0.37.0.dev0", **cfg["dit"],
              "prior_vq_quantizer_codebook_size": cfg["codebook"]}
    model = GlmImageTransformer2DModel(**without(config)).float().eval()
    return save(model, out, "transformer", cfg, generator, config)


def write_vae(out, cfg, generator):
    levels = len(cfg["vae"]["block_out_channels"])
    config = {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.37.0.dev0", "act_fn": "silu",
        "down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels, "force_upcast": True,
        "in_channels": 3, "out_channels": 3, "sample_size": 1024,
        "latents_mean": cfg["mean"], "latents_std": cfg["std"], **cfg["vae"]}
    model = AutoencoderKL(**without(config)).float().eval()
    return save(model, out, "vae", cfg, generator, config)


def save(model, out, folder, cfg, generator, config):
    """Random weights, by the library, and the config as the public files have it. Returns the recipe of the weights."""
    draws = randomize(model, generator, folder, cfg["codebook"])
    dtype = "float32" if folder == "text_encoder" else cfg["dtype"]
    shard_size = cfg["shard_sizes"].get(folder)
    model.to(getattr(torch, dtype)).save_pretrained(f"{out}/{folder}", **(dict(max_shard_size=shard_size) if shard_size else {}))
    write_json(f"{out}/{folder}/config.json", config)
    return component(out, folder, dtype, draws)


def write_scheduler_and_index(out, cfg):
    write_json(f"{out}/scheduler/scheduler_config.json", {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.37.0.dev0", "invert_sigmas": False,
        "num_train_timesteps": 1000, "shift": 1.0, "shift_terminal": None, "stochastic_sampling": False,
        "time_shift_type": "linear", "use_beta_sigmas": False, "use_dynamic_shifting": True,
        "use_exponential_sigmas": False, "use_karras_sigmas": False, **cfg["schedule"]})
    write_json(f"{out}/model_index.json", {
        "_class_name": "GlmImagePipeline", "_diffusers_version": "0.37.0.dev0", "_name_or_path": "zai-org/GLM-Image-Decoder",
        "processor": ["transformers", "GlmImageProcessor"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"], "tokenizer": ["transformers", "ByT5Tokenizer"],
        "transformer": ["diffusers", "GlmImageTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
        "vision_language_encoder": ["transformers", "GlmImageForConditionalGeneration"]})


def make(out, variant, seed):
    cfg = VARIANTS[variant]
    seed += cfg["seed_offset"]
    generator = torch.Generator().manual_seed(seed)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    ids, vocab_size = write_processor(out, cfg)
    components = [write_ar(out, cfg, generator, ids, vocab_size), write_glyph_encoder(out, cfg, generator),
                  write_dit(out, cfg, generator), write_vae(out, cfg, generator)]
    write_recipe(f"{out}/weights.json", seed, cfg["codebook"], components)
    write_scheduler_and_index(out, cfg)
    check(out, cfg, ids)


def check(out, cfg, ids):
    """The checkpoint loads with upstream's pipeline, and the tokenizer gives the special tokens their ids."""
    pipe = GlmImagePipeline.from_pretrained(out, torch_dtype=getattr(torch, cfg["dtype"]))
    tokenizer = pipe.processor.tokenizer
    assert tokenizer.convert_tokens_to_ids("<|image|>") == ids["<|image|>"]
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id) == (cfg["codebook"], cfg["codebook"] + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="default: build/reference/VARIANT, where the other scripts look for it")
    parser.add_argument("--variant", default="a", choices=sorted(VARIANTS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = args.out or checkpoint_folder(args.variant)
    torch.set_num_threads(1)
    make(out, args.variant, args.seed)
    size = sum(os.path.getsize(os.path.join(folder, f)) for folder, _, files in os.walk(out) for f in files)
    print(f"{out}: variant {args.variant}, seed {args.seed}, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
