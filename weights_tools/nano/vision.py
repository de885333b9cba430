"""Vision tower and codebook, with transformers' names (GlmImageVisionModel, GlmImageVQVAE)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

import sizes
from layers import Conv2d, LayerNorm, Linear, Part

DIM, HEADS, TABLE = sizes.VISION["hidden_size"], sizes.VISION["num_heads"], sizes.VISION["image_size"] // sizes.PATCH


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(DIM, 1e-6), LayerNorm(DIM, 1e-6)
        self.attn = Part(qkv=Linear(DIM, 3 * DIM), proj=Linear(DIM, DIM))
        self.mlp = Part(
            fc1=Linear(DIM, sizes.VISION["intermediate_size"]), fc2=Linear(sizes.VISION["intermediate_size"], DIM)
        )
        nn.init.zeros_(self.attn.proj.weight)  # tokens begin as local ones

    def forward(self, x):
        """[B, N, D]"""
        batch, length, _ = x.shape
        q, k, v = self.attn.qkv(self.norm1(x)).view(batch, length, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, DIM)
        x = x + self.attn.proj(mixed)
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = Part(proj=Conv2d(3, DIM, sizes.PATCH, stride=sizes.PATCH))
        self.embeddings = Part(position_embedding=nn.Embedding(TABLE * TABLE, DIM))
        nn.init.normal_(self.embeddings.position_embedding.weight, std=0.1)
        self.blocks = nn.ModuleList([Block() for _ in range(sizes.VISION["depth"])])

    def positions(self, rows, columns):
        """[rows * columns, D]: the table, seen at this many places."""
        table = self.embeddings.position_embedding.weight.view(TABLE, TABLE, DIM).permute(2, 0, 1)[None]
        y = (torch.arange(rows, device=table.device) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns, device=table.device) + 0.5) / columns * 2 - 1
        at = torch.stack([x[None].expand(rows, -1), y[:, None].expand(-1, columns)], -1)[None]
        seen = F.grid_sample(table, at, mode="bilinear", align_corners=False, padding_mode="border")
        return seen[0].flatten(1).t()

    def forward(self, x):
        """[B, 3, 16 rows, 16 columns] in -1..1 to [B, rows * columns, D]."""
        h = self.patch_embed.proj(x)
        rows, columns = h.shape[-2:]
        h = h.flatten(2).transpose(1, 2) + self.positions(rows, columns).to(h.dtype)
        for block in self.blocks:
            h = block(h)
        return h


class Quantizer(nn.Module):
    """quant_conv and the codebook; post_quant_conv is in the layout, and nothing uses it."""

    def __init__(self):
        super().__init__()
        dim = sizes.CODEBOOK["embed_dim"]
        self.quantize = Part(embedding=nn.Embedding(sizes.CODES, dim))
        self.quant_conv, self.post_quant_conv = Conv2d(DIM, dim, 1), Conv2d(dim, DIM, 1)
        self.quantize.embedding.weight.requires_grad_(False)

    def directions(self, h):
        """[B, N, D] to unit vectors [B, N, 32], float32."""
        return F.normalize(F.linear(h.float(), self.quant_conv.weight.flatten(1), self.quant_conv.bias), dim=-1)

    def nearest(self, z):
        """Unit vectors [..., 32] to ids [...]."""
        return (z @ F.normalize(self.quantize.embedding.weight, dim=-1).t()).argmax(-1)


class ImageTokenizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual, self.vqmodel = Tower(), Quantizer()

    @torch.no_grad()
    def tokens(self, x):
        """[B, 3, H, W] in -1..1 to ids [B, H/16 * W/16], row by row."""
        return self.vqmodel.nearest(self.vqmodel.directions(self.visual(x)))
