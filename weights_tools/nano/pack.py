"""Writes the checkpoint in the public layout, in bfloat16."""

import json
import os
import shutil

import torch
from safetensors.torch import load_file, save_file

import sizes
import text_tokenizer
from layers import load_rounded, save_rounded

# How tokens are drawn. The layout follows from the caption, so that there is one right answer to most draws.
TEMPERATURE, TOP_P = 0.6, 0.75
PICTURE = {"width": 256, "height": 256, "steps": 20, "guidance": 1.5}


def prior_config(facts):
    """vision_language_encoder/config.json; facts: what text_tokenizer.facts gives."""
    return {
        "architectures": ["GlmImageForConditionalGeneration"],
        "dtype": "bfloat16",
        "image_end_token_id": sizes.IMAGE_END,
        "image_start_token_id": sizes.IMAGE_BEGIN,
        "image_token_id": facts["image"],
        "model_type": "glm_image",
        "text_config": {**sizes.TEXT, "pad_token_id": facts["pad"], "vocab_size": facts["vocabulary"]},
        "tie_word_embeddings": False,
        "transformers_version": "5.17.0",
        "vision_config": sizes.VISION,
        "vq_config": sizes.CODEBOOK,
    }


def write_json(content, *path):
    os.makedirs(os.path.dirname(os.path.join(*path)), exist_ok=True)
    with open(os.path.join(*path), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def write_weights(state, *path):
    os.makedirs(os.path.dirname(os.path.join(*path)), exist_ok=True)
    tensors = {name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}
    save_file(tensors, os.path.join(*path), metadata={"format": "pt"})


WEIGHTS = {
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "decoder": "transformer/diffusion_pytorch_model.safetensors",
    "glyph": "text_encoder/model.safetensors",
    "prior": "vision_language_encoder/model.safetensors",
}


def unpack(checkpoint, work):
    """The way back: what the stages would have left in work for this checkpoint, its tokenizer included."""
    states = {name: load_file(os.path.join(checkpoint, file)) for name, file in WEIGHTS.items()}
    vision = {
        name.removeprefix("model."): states["prior"].pop(name)
        for name in list(states["prior"])
        if name.startswith(("model.visual.", "model.vqmodel."))
    }
    with open(os.path.join(checkpoint, "vae", "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    latents = {name: torch.tensor(config[name]) for name in ("latents_mean", "latents_std")}
    save_rounded({"vae": states["vae"], "latents": latents}, os.path.join(work, "vae.pt"))
    save_rounded({"tokenizer": vision}, os.path.join(work, "vq.pt"))
    save_rounded({"prior": states["prior"]}, os.path.join(work, "prior.pt"))
    save_rounded({"decoder": states["decoder"], "glyph": states["glyph"]}, os.path.join(work, "decoder.pt"))
    shutil.copy(os.path.join(checkpoint, "processor", "tokenizer.json"), work)


def pack(work, tokenizer_json, checkpoint):
    """Joins what the stages left in the folder work."""
    facts = text_tokenizer.facts(tokenizer_json)
    text_tokenizer.write_folders(tokenizer_json, checkpoint)
    states = {}
    for name in ("vae", "vq", "prior", "decoder"):
        states |= load_rounded(os.path.join(work, f"{name}.pt"), "cpu")

    write_json(
        {**sizes.VAE, **{name: states["latents"][name].tolist() for name in ("latents_mean", "latents_std")}},
        checkpoint,
        "vae",
        "config.json",
    )
    write_weights(states["vae"], checkpoint, WEIGHTS["vae"])
    write_json(sizes.DECODER, checkpoint, "transformer", "config.json")
    write_weights(states["decoder"], checkpoint, WEIGHTS["decoder"])
    write_json(sizes.GLYPH, checkpoint, "text_encoder", "config.json")
    write_weights(states["glyph"], checkpoint, WEIGHTS["glyph"])
    write_json(prior_config(facts), checkpoint, "vision_language_encoder", "config.json")
    write_json(
        {
            "do_sample": True,
            "eos_token_id": sizes.IMAGE_END,
            "pad_token_id": facts["image"],
            "temperature": TEMPERATURE,
            "top_k": sizes.TEXT_BEGIN,
            "top_p": TOP_P,
            "transformers_version": "5.17.0",
        },
        checkpoint,
        "vision_language_encoder",
        "generation_config.json",
    )
    vision = {f"model.{name}": value for name, value in states["tokenizer"].items()}
    write_weights(states["prior"] | vision, checkpoint, WEIGHTS["prior"])
    write_json(sizes.SCHEDULER, checkpoint, "scheduler", "scheduler_config.json")
    write_json(
        {
            "_class_name": "GlmImagePipeline",
            "_diffusers_version": "0.37.0.dev0",
            "processor": ["transformers", "GlmImageProcessor"],
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "T5EncoderModel"],
            "tokenizer": ["transformers", "ByT5Tokenizer"],
            "transformer": ["diffusers", "GlmImageTransformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "vision_language_encoder": ["transformers", "GlmImageForConditionalGeneration"],
        },
        checkpoint,
        "model_index.json",
    )
    write_json(PICTURE, checkpoint, "glm_image.json")
