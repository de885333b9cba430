"""The prior: the next token of preview and large grid, given the caption; of an edit's target, given its source too."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F

import layers
import sizes
import training
from prior import Prior
from train_vae import part_type

BATCH = 256  # samples of 256x256
RATE = 3e-3
WEIGHTS = [8, 2, 2, 1, 3, 0.7, 0.7, 0.4]  # of the pool's groups: scenes of each size, then edits


def loss_of(prior, group, index, dtype):
    """Mean loss of the preview (None of an edit), of the large grid, and of the end."""
    ids, positions, first, grids = group.sequences(index)
    hidden = prior.hidden(ids, positions, dtype)
    tokens = grids.shape[1]
    places = first[:, None] + torch.arange(tokens + 1, device=ids.device)
    places = places.clamp(max=ids.shape[1] - 1)  # the end of the longest prompt's sequence
    logits = prior.lm_head(hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[2]))).float()
    wanted = torch.cat([grids, grids.new_full((len(index), 1), sizes.IMAGE_END)], 1)
    loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view_as(wanted)
    large = group.large.shape[1]
    preview = loss[:, : tokens - large].mean() if tokens > large else None
    return preview, loss[:, tokens - large : tokens].mean(), loss[:, tokens].mean()


def train(context):
    """Writes prior.pt: prior."""
    torch.manual_seed(2)
    pick, groups = random.Random(2), context.pool()
    facts = context.tokenizer_facts()
    prior = Prior(facts["vocabulary"]).to(context.device)
    dtype = part_type(groups[0].prompt)
    matrices = [weight for name, weight in prior.named_parameters() if weight.ndim == 2 and ".layers." in name]
    inside = {id(weight) for weight in matrices}
    others = [weight for weight in prior.parameters() if id(weight) not in inside]
    graphs = training.Graphs(context)
    parts = nn.ModuleDict({"prior": prior})
    clock, average = training.Clock(context.budget, context.device), training.WeightAverage(parts)
    checkpoints = training.Checkpoints(context.path("prior.pt"), parts, average, context.log)
    optimizer = training.Optimizer(matrices, others, RATE, RATE, graphs=graphs)
    means = training.LossMeans(context.log, clock)

    def step(group):
        batch = max(2, context.scaled(BATCH) * 65536 // (group.width * group.height))
        index = torch.randint(group.count, (batch,), device=context.device)
        preview, large, end = loss_of(prior, group, index, dtype)
        loss = large + 0.02 * end if preview is None else 0.5 * preview + 0.5 * large + 0.02 * end
        loss.backward()
        return {"edit": large} if preview is None else {"preview": preview, "large": large, "end": end}

    calls = [training.Graphed(lambda group=group: step(group), graphs) for group in groups]
    for share in clock.steps():
        which = pick.choices(range(len(groups)), WEIGHTS)[0]
        losses = calls[which]()
        optimizer.step(clock.rate(share))
        average.update()
        checkpoints.keep()
        if groups[which].size == 0:
            means.add(context.scaled(BATCH), **losses)
    layers.save_rounded(average.states(), context.path("prior.pt"))
    checkpoints.remove()
