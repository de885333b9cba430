"""The image decoder and the glyph encoder: flow matching on latents, given the picture's own tokens."""

import random

import torch

import decoder as networks
import layers
import sizes
import training
from train_vae import part_type

BATCH = 384  # samples of 256x256 without a reference
RATE = 2e-3
WEIGHTS = [9, 1.8, 1.8, 1.4, 2.4, 0.5, 0.5, 0.4]  # of the pool's groups: scenes of each size, then edits
DROPPED = 0.15  # of the samples without a word: no prior, for guidance
WORDS = 1 / 3  # of a batch: samples with a word
OTHER_WORD = 0.35  # of the samples with a word: tokens of another word, so that letters are read from the glyphs
NOISY = 0.2  # of all samples: a few wrong tokens, as the prior may draw them


def noise_levels(count, shift, device):
    """sigma [count] in 0..1, more in the middle, shifted as the sampler's schedule is."""
    levels = torch.where(
        torch.rand(count, device=device) < 0.4,
        torch.rand(count, device=device),
        torch.sigmoid(torch.randn(count, device=device)),
    )
    levels = torch.where(torch.rand(count, device=device) < 0.03, torch.ones_like(levels), levels).clamp(1e-3, 1)
    return shift / (shift + 1 / levels - 1)


def doubled(tokens, grid):
    """[B, rows * columns] to the grid of half the cells: [B, 4 * rows * columns]."""
    rows, columns = grid
    return tokens.long().view(-1, rows, 1, columns, 1).expand(-1, -1, 2, -1, 2).flatten(1)


def prior_tokens(group, index, has_word):
    """The tokens that stand in for the prior's: [B, n] ids."""
    tokens = group.large[index]
    if has_word:
        swapped = torch.rand(len(index), 1, device=index.device) < OTHER_WORD
        tokens = torch.where(swapped, group.other[index], tokens)
    noisy = torch.rand(len(index), 1, device=index.device) < NOISY
    wrong = torch.rand(tokens.shape, device=index.device) < 0.1 * torch.rand(len(index), 1, device=index.device)
    return torch.where(noisy & wrong, torch.randint_like(tokens, sizes.CODES), tokens)


def loss_of(decoder, glyph_encoder, group, index, length, latent_scale, dtype):
    """Mean squared error of the velocity; length: of the samples' glyph ids, 1 without a word."""
    batch, device, (rows, columns) = len(index), index.device, [2 * side for side in group.grid]
    scaled = lambda latents: networks.patchify((latents.float() - latent_scale[0]) / latent_scale[1])
    clean, levels = scaled(group.latents[index]), noise_levels(
        batch, sizes.time_shift(group.width, group.height), device
    )
    noise = torch.randn_like(clean)
    noisy = (1 - levels)[:, None, None] * clean + levels[:, None, None] * noise
    dropped = torch.zeros(batch, dtype=torch.bool, device=device)
    if length == 1 and not group.is_edit:
        dropped = torch.rand(batch, device=device) < DROPPED
    glyphs = glyph_encoder(group.glyphs[index, :length], dtype)
    sources = None
    if group.is_edit:
        sources = decoder(
            scaled(group.source_latents[index]).to(dtype),
            rows,
            columns,
            glyphs[:, :0],
            doubled(group.source_large[index], group.grid),
            torch.zeros_like(dropped),
            torch.zeros(batch, device=device),
            want_keys=True,
        )
    made = decoder(
        noisy.to(dtype),
        rows,
        columns,
        glyphs,
        doubled(prior_tokens(group, index, length > 1), group.grid),
        dropped,
        1000 * levels - 1,
        sources,
    )
    return ((made.float() - (noise - clean)) ** 2).mean()


def train(context):
    """Writes decoder.pt: decoder and glyph."""
    torch.manual_seed(3)
    pick, groups = random.Random(3), context.pool()
    states = context.load("vae.pt")["latents"]
    latent_scale = [states[name].view(1, -1, 1, 1) for name in ("latents_mean", "latents_std")]
    decoder, glyph_encoder = networks.Decoder(), networks.GlyphEncoder()
    both = torch.nn.ModuleDict({"decoder": decoder, "glyph": glyph_encoder}).to(context.device)
    dtype = part_type(groups[0].prompt)
    matrices = [
        weight
        for name, weight in decoder.named_parameters()
        if weight.ndim == 2 and "transformer_blocks" in name and "norm1" not in name
    ]
    inside = {id(weight) for weight in matrices}
    others = [weight for weight in both.parameters() if id(weight) not in inside]
    graphs = training.Graphs(context)
    clock, average = training.Clock(context.budget, context.device), training.Average(both)
    checkpoints = training.Checkpoints(context.path("decoder.pt"), both, average, context.log)
    optimizer = training.Optimizer(matrices, others, RATE, 0.75 * RATE, graphs=graphs)
    means = training.Averages(context.log, clock)

    def batch_of(group):
        return max(3, context.scaled(BATCH) * 65536 // (group.width * group.height) // (2 if group.is_edit else 1))

    def step(group, length):
        """A part of a batch: the samples without a word, or those with a word of one length."""
        chosen, share = group.with_length[length], 1 - WORDS if length == 1 else WORDS
        index = chosen[torch.randint(len(chosen), (int(share * batch_of(group)),), device=context.device)]
        loss = loss_of(decoder, glyph_encoder, group, index, length, latent_scale, dtype)
        (share * loss).backward()
        return {"edit" if group.is_edit else "thing" if length == 1 else "word": loss}

    calls = [
        {
            length: training.Graphed(lambda group=group, length=length: step(group, length), graphs)
            for length in group.with_length
        }
        for group in groups
    ]
    for share in clock.steps():
        which = pick.choices(range(len(groups)), WEIGHTS)[0]
        group = groups[which]
        words = [length for length in group.with_length if length > 1]
        losses = dict(calls[which][1]())
        if words:
            losses |= calls[which][pick.choices(words, [len(group.with_length[length]) for length in words])[0]]()
        optimizer.step(clock.rate(share))
        average.update()
        checkpoints.keep()
        if group.size == 0:
            means.add(batch_of(group), **losses)
    layers.save_rounded(average.states(), context.path("decoder.pt"))
    checkpoints.remove()
