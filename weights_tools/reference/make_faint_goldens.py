"""Writes tests/goldens/faint.safetensors: upstream's blocks of checkpoint a on inputs of about a thousandth.

There the epsilons of the norms decide: in pictures a wrong one changes 4e-7 of a stage and no tolerance sees it.
"""
import os

import torch

from golden_format import verify, write
from run_oracle import ROOT, checkpoint_folder, load_pipeline

FILE = os.path.join(ROOT, "tests/goldens/faint.safetensors")


@torch.no_grad()
def blocks(pipe):
    generator = torch.Generator().manual_seed(1)

    def faint(*shape):
        return 1e-3 * torch.randn(shape, generator=generator)

    dit, lm = pipe.transformer, pipe.vision_language_encoder.model.language_model
    width = dit.config.num_attention_heads * dit.config.attention_head_dim
    image, text, temb = faint(1, 12, width), faint(1, 5, width), 1e3 * faint(1, dit.config.time_embed_dim)
    latents = torch.zeros(1, dit.config.in_channels, 6, 8)  # 3 x 4 patches
    image_out, text_out = dit.transformer_blocks[0](image, text, temb, dit.rope(latents))

    x = faint(1, 7, lm.config.hidden_size)
    positions = torch.arange(7).expand(3, 1, 7)
    layer = lm.layers[0](x, position_embeddings=lm.rotary_emb(x, positions), attention_mask=None)

    t5 = pipe.text_encoder.encoder.block[0]
    glyphs = faint(1, 6, pipe.text_encoder.config.d_model)
    bias = torch.zeros(1, pipe.text_encoder.config.num_heads, 6, 6)
    attended = t5.layer[0](glyphs, attention_mask=None, position_bias=bias)[0]

    pixels = faint(1, pipe.vae.config.block_out_channels[-1], 4, 6)
    return {"dit.image": image, "dit.text": text, "dit.temb": temb, "dit.image_out": image_out, "dit.text_out": text_out,
            "prior.x": x, "prior.out": layer[0] if isinstance(layer, tuple) else layer,
            "t5.x": glyphs, "t5.out": t5.layer[1](attended), "vae.x": pixels,
            "vae.out": pipe.vae.decoder.mid_block.resnets[0](pixels, None)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = blocks(load_pipeline(checkpoint_folder("a"), "float32"))
    write(FILE, {name: tensor.contiguous() for name, tensor in made.items()}, {},
          made_by="weights_tools/reference/make_faint_goldens.py")
    verify(FILE)
