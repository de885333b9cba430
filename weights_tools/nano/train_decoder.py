"""The image decoder and the glyph encoder: flow matching on latents, given the picture's own tokens."""

import os
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
WORDS = 1 / 2  # of a batch: samples with a word
OTHER_WORD = 0.9  # of the samples with a word: tokens of another word, so that letters are read from the glyphs
AROUND = 24  # of those with a word: patches of 256x256 beside the word's, all others are left out
AT_NOISE = 0.5  # of those with patches left out: sigma above 0.4, where letters are decided
OUTSIDE = 0.3  # weight of a patch beside the word's
WHOLE = 0.1  # of the steps, and all of the last ones: no patch is left out
WHOLE_FROM = 0.88  # of the budget
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


def loss_of(decoder, glyph_encoder, group, index, length, latent_scale, dtype, patches=None):
    """Mean squared error of the velocity; length: of the samples' glyph ids, 1 without a word.

    patches: of how many a picture is made, the word's and others at random; None: all.
    """
    batch, device, (rows, columns) = len(index), index.device, [2 * side for side in group.grid]
    scaled = lambda latents: networks.patchify((latents.float() - latent_scale[0]) / latent_scale[1])
    clean, levels = scaled(group.latents[index]), noise_levels(
        batch, sizes.time_shift(group.width, group.height), device
    )
    if patches is not None:
        high = 0.4 + 0.6 * torch.rand(batch, device=device)
        levels = torch.where(torch.rand(batch, device=device) < AT_NOISE, high, levels)
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
    tokens = doubled(prior_tokens(group, index, length > 1), group.grid)
    velocity, of_word, at = noise - clean, group.word_patches[index], None
    if patches is not None:
        at = (of_word + 0.9 * torch.rand(of_word.shape, device=device)).topk(patches, 1).indices
        noisy, velocity = (x.gather(1, at[..., None].expand(-1, -1, x.shape[2])) for x in (noisy, velocity))
        tokens, of_word = tokens.gather(1, at), of_word.gather(1, at)
    made = decoder(noisy.to(dtype), rows, columns, glyphs, tokens, dropped, 1000 * levels - 1, sources, at=at)
    weights = torch.ones_like(levels)[:, None] if length == 1 else of_word + OUTSIDE * ~of_word
    error = ((made.float() - velocity) ** 2).mean(2)
    return (weights * error).sum() / weights.expand_as(error).sum()


def train(context):
    """Writes decoder.pt: decoder and glyph."""
    torch.manual_seed(3)
    pick, groups = random.Random(3), context.pool()
    states = context.load("vae.pt")["latents"]
    latent_scale = [states[name].view(1, -1, 1, 1) for name in ("latents_mean", "latents_std")]
    decoder, glyph_encoder = networks.Decoder(), networks.GlyphEncoder()
    if os.path.exists(context.path("glyph.pt")):  # else both go on from a checkpoint's weights
        glyph_encoder.load_state_dict(context.load("glyph.pt")["glyph"])
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
    clock, average = training.Clock(context.budget, context.device), training.WeightAverage(both)
    checkpoints = training.Checkpoints(context.path("decoder.pt"), both, average, context.log)
    optimizer = training.Optimizer(matrices, others, RATE, 0.75 * RATE, graphs=graphs)
    means = training.LossMeans(context.log, clock)

    def batch_of(group):
        return max(3, context.scaled(BATCH) * 65536 // (group.width * group.height) // (2 if group.is_edit else 1))

    def step(group, length, patches=None):
        """A part of a batch: the samples without a word, or those with a word of one length."""
        chosen, share = group.with_length[length], 1 - WORDS if length == 1 else WORDS
        index = chosen[torch.randint(len(chosen), (int(share * batch_of(group)),), device=context.device)]
        loss = loss_of(decoder, glyph_encoder, group, index, length, latent_scale, dtype, patches)
        (share * loss).backward()
        return {"edit" if group.is_edit else "thing" if length == 1 else "word": loss}

    def patches_of(group, length):
        """A word's, and some around it."""
        of_word = group.word_patches[group.with_length[length]]
        return min(of_word.shape[1], int(of_word.sum(1).max()) + AROUND * of_word.shape[1] // 256)

    graphed = lambda *args: training.Graphed(lambda: step(*args), graphs)
    calls = [
        {(length, True): graphed(group, length) for length in group.with_length}
        | {(length, False): graphed(group, length, patches_of(group, length)) for length in group.with_length if length > 1}
        for group in groups
    ]
    for share in clock.steps():
        which = pick.choices(range(len(groups)), WEIGHTS)[0]
        group = groups[which]
        words = [length for length in group.with_length if length > 1]
        losses = dict(calls[which][1, True]())
        if words:
            length = pick.choices(words, [len(group.with_length[length]) for length in words])[0]
            losses |= calls[which][length, share > WHOLE_FROM or pick.random() < WHOLE]()
        optimizer.step(clock.rate(share))
        average.update()
        checkpoints.keep()
        if group.size == 0:
            means.add(batch_of(group), **losses)
    layers.save_rounded(average.states(), context.path("decoder.pt"))
    checkpoints.remove()
