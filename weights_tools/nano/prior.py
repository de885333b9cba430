"""The prior, with transformers' names and arithmetic (GlmImageTextModel and its head)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

import layers
import sizes
from layers import Linear, Part, RMSNorm, rotate

DIM, HEADS, KV_HEADS = (sizes.TEXT[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
HEAD_DIM, INNER, EPS = (sizes.TEXT[key] for key in ("head_dim", "intermediate_size", "rms_norm_eps"))
ROPE = sizes.TEXT["rope_parameters"]
ROTARY = int(HEAD_DIM * ROPE["partial_rotary_factor"])


def rope_tables(positions):
    """positions [B, 3, N] (time, row, column) to cos, sin [B, 1, N, rotary dim]."""
    rates = ROPE["rope_theta"] ** (-torch.arange(0, ROTARY, 2, device=positions.device).float() / ROTARY)
    angles = positions.float()[..., None] * rates
    parts = angles.split(ROPE["mrope_section"], -1)
    return layers.rope_tables(torch.cat([parts[i][:, i % 3] for i in range(len(parts))], -1)[:, None])


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_self_attn_layernorm = RMSNorm(DIM, EPS), RMSNorm(DIM, EPS)
        self.post_attention_layernorm, self.post_mlp_layernorm = RMSNorm(DIM, EPS), RMSNorm(DIM, EPS)
        self.self_attn = Part(
            q_proj=Linear(DIM, HEADS * HEAD_DIM),
            k_proj=Linear(DIM, KV_HEADS * HEAD_DIM),
            v_proj=Linear(DIM, KV_HEADS * HEAD_DIM),
            o_proj=Linear(HEADS * HEAD_DIM, DIM, bias=False),
        )
        self.mlp = Part(gate_up_proj=Linear(DIM, 2 * INNER, bias=False), down_proj=Linear(INNER, DIM, bias=False))

    def forward(self, x, cos, sin):
        """x [B, N, D]; cos, sin [B, 1, N, rotary dim]"""
        batch, length, _ = x.shape
        h, attn = self.input_layernorm(x), self.self_attn
        by_head = lambda y: y.view(batch, length, -1, HEAD_DIM).transpose(1, 2)
        turned = lambda y: torch.cat([rotate(y[..., :ROTARY], cos, sin), y[..., ROTARY:]], -1)
        q, k, v = turned(by_head(attn.q_proj(h))), turned(by_head(attn.k_proj(h))), by_head(attn.v_proj(h))
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, length, -1)
        x = x + self.post_self_attn_layernorm(attn.o_proj(mixed))
        gate, up = self.mlp.gate_up_proj(self.post_attention_layernorm(x)).chunk(2, -1)
        return x + self.post_mlp_layernorm(self.mlp.down_proj(F.silu(gate) * up))


class Prior(nn.Module):
    def __init__(self, vocabulary):
        """vocabulary: rows of the embedding."""
        super().__init__()
        self.model = Part(
            language_model=Part(
                embed_tokens=nn.Embedding(vocabulary, DIM),
                layers=nn.ModuleList([Layer() for _ in range(sizes.TEXT["num_hidden_layers"])]),
                norm=RMSNorm(DIM, EPS),
            )
        )
        self.lm_head = Linear(DIM, sizes.TEXT_BEGIN, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)

    def hidden(self, ids, positions, dtype):
        """ids [B, N], positions [B, 3, N] to [B, N, D] after the last norm."""
        text = self.model.language_model
        x = text.embed_tokens(ids).to(dtype)
        cos, sin = (table.to(dtype) for table in rope_tables(positions))
        for layer in text.layers:
            x = layer(x, cos, sin)
        return text.norm(x)


def grid_positions(grids, device=None):
    """Positions of grids [(rows, columns)] that follow each other, from the first one's start: [3, N]."""
    parts, start = [], 0
    for rows, columns in grids:
        y = torch.arange(rows, device=device)[:, None].expand(rows, columns).flatten()
        x = torch.arange(columns, device=device)[None].expand(rows, columns).flatten()
        parts.append(torch.stack([torch.zeros_like(y), y, x]) + start)
        start += max(rows, columns)
    return torch.cat(parts, 1)
