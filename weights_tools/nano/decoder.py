"""Image decoder and glyph encoder, with the names of GlmImageTransformer2DModel (diffusers) and T5EncoderModel."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import layers
import sizes
from layers import Linear, Part, RMSNorm, rotate

HEADS, HEAD_DIM = sizes.DECODER["num_attention_heads"], sizes.DECODER["attention_head_dim"]
DIM, TIME, CONDITION = HEADS * HEAD_DIM, sizes.DECODER["time_embed_dim"], sizes.DECODER["condition_dim"]
GLYPH_DIM, GLYPH_HEADS, GLYPH_HEAD_DIM = (sizes.GLYPH[key] for key in ("d_model", "num_heads", "d_kv"))


def norm(x):
    return F.layer_norm(x, (x.shape[-1],), None, None, 1e-5)


def timestep_embedding(values, dim):
    """values [...] to [..., dim]: cosines, then sines, of falling rates."""
    rates = torch.exp(-math.log(10000) * torch.arange(dim // 2, device=values.device) / (dim // 2))
    angles = values.float()[..., None] * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


def rope_tables(rows, columns, device):
    """cos, sin [rows * columns, head dim]: half of the angles turn with the row, half with the column."""
    rates = 10000.0 ** (-torch.arange(0, HEAD_DIM // 2, 2, device=device).float() / (HEAD_DIM // 2))
    y = torch.arange(rows, device=device)[:, None, None] * rates
    x = torch.arange(columns, device=device)[None, :, None] * rates
    return layers.rope_tables(torch.cat([y.expand(rows, columns, -1), x.expand(rows, columns, -1)], -1).flatten(0, 1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = Part(linear=Linear(TIME, 12 * DIM))
        self.attn1 = Part(
            to_q=Linear(DIM, DIM),
            to_k=Linear(DIM, DIM),
            to_v=Linear(DIM, DIM),
            to_out=nn.ModuleList([Linear(DIM, DIM)]),
        )
        self.ff = Part(net=nn.ModuleList([Part(proj=Linear(DIM, 4 * DIM)), nn.Identity(), Linear(4 * DIM, DIM)]))

    def forward(self, x, text, time, cos, sin, source=None):
        """x [B, N, D], text [B, T, D], time [B, TIME]; cos, sin [(B,) T + N, 1, 1, head dim]

        source: keys and values [B, heads, S, head dim] of a reference. Gives x, text and their own keys and values.
        """
        batch, texts, length = x.shape[0], text.shape[1], x.shape[1] + text.shape[1]
        (
            shift,
            text_shift,
            scale,
            text_scale,
            gate,
            text_gate,
            feed_shift,
            text_feed_shift,
            feed_scale,
            text_feed_scale,
            feed_gate,
            text_feed_gate,
        ) = (
            self.norm1.linear(time).view(batch, 12, 1, DIM).unbind(1)
        )
        modulated = lambda y, scale, shift: torch.addcmul(shift, norm(y), 1 + scale)
        feed = lambda y: self.ff.net[2](F.gelu(self.ff.net[0].proj(y), approximate="tanh"))

        h = torch.cat([modulated(text, text_scale, text_shift), modulated(x, scale, shift)], 1)
        attn = self.attn1
        weight = torch.cat([attn.to_q.weight, attn.to_k.weight]).to(h.dtype)
        bias = torch.cat([attn.to_q.bias, attn.to_k.bias]).to(h.dtype)
        both = rotate(norm(F.linear(h, weight, bias).view(batch, length, 2, HEADS, HEAD_DIM)), cos, sin)
        q, k = (part.transpose(1, 2) for part in both.unbind(2))
        v = attn.to_v(h).view(batch, length, HEADS, HEAD_DIM).transpose(1, 2)
        keys, values = (k, v) if source is None else (torch.cat([source[0], k], 2), torch.cat([source[1], v], 2))
        mixed = F.scaled_dot_product_attention(q, keys, values).transpose(1, 2).reshape(batch, length, DIM)
        text_mixed, mixed = attn.to_out[0](mixed).split([texts, length - texts], 1)
        x = torch.addcmul(x, mixed, gate)
        x = torch.addcmul(x, feed(modulated(x, feed_scale, feed_shift)), feed_gate)
        text = torch.addcmul(text, text_mixed, text_gate)
        text = torch.addcmul(text, feed(modulated(text, text_feed_scale, text_feed_shift)), text_feed_gate)
        return x, text, (k, v)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        patch = sizes.DECODER["patch_size"] ** 2 * sizes.LATENT_CHANNELS
        feed = lambda dim: nn.ModuleList([Part(proj=Linear(dim, DIM)), nn.Identity(), Linear(DIM, DIM)])
        self.image_projector = Part(proj=Linear(patch, DIM))
        self.glyph_projector, self.prior_projector = Part(net=feed(GLYPH_DIM)), Part(net=feed(DIM))
        self.prior_token_embedding = nn.Embedding(sizes.CODES, DIM)
        self.time_condition_embed = Part(
            timestep_embedder=Part(linear_1=Linear(TIME, TIME), linear_2=Linear(TIME, TIME)),
            condition_embedder=Part(linear_1=Linear(4 * CONDITION, TIME), linear_2=Linear(TIME, TIME)),
        )
        self.transformer_blocks = nn.ModuleList([Block() for _ in range(sizes.DECODER["num_layers"])])
        self.norm_out = Part(linear=Linear(TIME, 2 * DIM))
        self.proj_out = Linear(DIM, patch)
        for module in [*(block.norm1.linear for block in self.transformer_blocks), self.norm_out.linear, self.proj_out]:
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        nn.init.normal_(self.prior_token_embedding.weight, std=0.5)
        self.kept = {}  # what hangs on the grid alone

    def of_grid(self, rows, columns, device, dtype):
        """Waves of the size [1, 4 CONDITION], and the image's rotary tables."""
        key = rows, columns, device, dtype
        if key not in self.kept:
            size = timestep_embedding(torch.tensor([0, 0, 16 * rows, 16 * columns], device=device), CONDITION).view(1, -1)
            self.kept[key] = size, [table.to(dtype) for table in rope_tables(rows, columns, device)]
        return self.kept[key]

    def forward(
        self, patches, rows, columns, glyphs, prior, dropped, timesteps, sources=None, want_keys=False, at=None
    ):
        """patches [B, N, 32] of a grid of rows x columns, glyphs [B, T, glyph dim], prior [B, N] ids, dropped [B] bool

        at [B, N]: where in the grid the patches stand, when not all of it is given.
        timesteps [B] in 0..1000; sources: what forward gave of the reference with want_keys.
        Gives the velocity [B, N, 32].
        """
        texts, dtype, device = glyphs.shape[1], patches.dtype, patches.device
        size, (cos, sin) = self.of_grid(rows, columns, device, dtype)
        parts = self.time_condition_embed
        feed = lambda part, x: part.linear_2(F.silu(part.linear_1(x)))
        time = F.silu(feed(parts.timestep_embedder, timestep_embedding(timesteps, TIME)) + feed(parts.condition_embedder, size)).to(
            dtype
        )
        if at is not None:
            cos, sin = cos[at], sin[at]
        cos, sin = (  # texts aren't turned
            F.pad(table, (0, 0, texts, 0), value=unturned)[..., None, None, :]
            for table, unturned in ((cos, 1.0), (sin, 0.0))
        )

        tokens = self.prior_token_embedding(prior).to(dtype) * (~dropped)[:, None, None]
        x = self.image_projector.proj(patches)
        x = x + self.prior_projector.net[2](F.silu(self.prior_projector.net[0].proj(tokens)))
        text = self.glyph_projector.net[2](F.gelu(self.glyph_projector.net[0].proj(glyphs)))
        kept = []
        for i, block in enumerate(self.transformer_blocks):
            x, text, keys = block(x, text, time, cos, sin, None if sources is None else sources[i])
            kept.append(keys)
        if want_keys:
            return kept
        scale, shift = self.norm_out.linear(time).chunk(2, 1)
        return self.proj_out(torch.addcmul(shift[:, None], norm(x), 1 + scale[:, None]))


def patchify(latents):
    """[B, 8, 2 rows, 2 columns] to [B, rows * columns, 32], a patch's channel before its pixels."""
    batch, channels, height, width = latents.shape
    parts = latents.view(batch, channels, height // 2, 2, width // 2, 2)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // 4, channels * 4)


def unpatchify(patches, rows, columns):
    """The way back from patchify."""
    parts = patches.view(patches.shape[0], rows, columns, -1, 2, 2)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(patches.shape[0], -1, 2 * rows, 2 * columns)


class GlyphLayer(nn.Module):
    def __init__(self, has_bias):
        super().__init__()
        inner, eps = GLYPH_HEADS * GLYPH_HEAD_DIM, sizes.GLYPH["layer_norm_epsilon"]
        attention = Part(
            q=Linear(GLYPH_DIM, inner, bias=False),
            k=Linear(GLYPH_DIM, inner, bias=False),
            v=Linear(GLYPH_DIM, inner, bias=False),
            o=Linear(inner, GLYPH_DIM, bias=False),
        )
        if has_bias:
            attention.relative_attention_bias = nn.Embedding(sizes.GLYPH["relative_attention_num_buckets"], GLYPH_HEADS)
        wide = sizes.GLYPH["d_ff"]
        feed = Part(
            wi_0=Linear(GLYPH_DIM, wide, bias=False),
            wi_1=Linear(GLYPH_DIM, wide, bias=False),
            wo=Linear(wide, GLYPH_DIM, bias=False),
        )
        self.layer = nn.ModuleList(
            [
                Part(SelfAttention=attention, layer_norm=RMSNorm(GLYPH_DIM, eps)),
                Part(DenseReluDense=feed, layer_norm=RMSNorm(GLYPH_DIM, eps)),
            ]
        )

    def forward(self, x, bias):
        """x [B, T, glyph dim], bias [1, heads, T, T]"""
        attention, feed = self.layer[0].SelfAttention, self.layer[1].DenseReluDense
        h = self.layer[0].layer_norm(x)
        q, k, v = (
            project(h).unflatten(2, (GLYPH_HEADS, -1)).transpose(1, 2)
            for project in (attention.q, attention.k, attention.v)
        )
        mixed = torch.softmax(q @ k.transpose(-1, -2) + bias.to(q.dtype), -1) @ v
        x = x + attention.o(mixed.transpose(1, 2).flatten(2))
        h = self.layer[1].layer_norm(x)
        return x + feed.wo(F.gelu(feed.wi_0(h), approximate="tanh") * feed.wi_1(h))


class GlyphEncoder(nn.Module):
    """T5's encoder; texts here are of at most 7 bytes, for which its buckets of distance are the distances."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(sizes.GLYPH["vocab_size"], GLYPH_DIM)
        self.encoder = Part(
            block=nn.ModuleList([GlyphLayer(i == 0) for i in range(sizes.GLYPH["num_layers"])]),
            final_layer_norm=RMSNorm(GLYPH_DIM, sizes.GLYPH["layer_norm_epsilon"]),
        )
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                fan = weight.shape[1] * (GLYPH_HEAD_DIM if name.endswith("SelfAttention.q.weight") else 1)
                nn.init.normal_(weight, std=1.0 if name == "shared.weight" else fan**-0.5)

    def forward(self, ids, dtype):
        """ids [B, T] to [B, T, glyph dim]."""
        length = ids.shape[1]
        assert length <= 8
        at = torch.arange(length, device=ids.device)
        distance = at[None] - at[:, None]
        bucket = distance.abs() + (distance > 0) * (sizes.GLYPH["relative_attention_num_buckets"] // 2)
        first = self.encoder.block[0].layer[0].SelfAttention
        bias = first.relative_attention_bias(bucket).permute(2, 0, 1)[None]
        x = self.shared(ids).to(dtype)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)
