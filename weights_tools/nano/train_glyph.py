"""The glyph encoder learns to spell before the decoder reads it: each output says its letter, its place and the length.

Without this the decoder meets embeddings that don't say where a letter stands, and learns no word in 1.3 million samples.
"""

import torch
import torch.nn.functional as F

import decoder as networks
import domain
import layers
import pool
import training

BATCH = 96  # words
RATE = 2e-3
BIAS_RATE = 30 * RATE  # of the relative attention bias, which alone tells places apart


def losses_of(glyph_encoder, heads, letters):
    """Cross entropies of letter, place and length; letters [B, n]: indices in ALPHABET, the words' letters."""
    batch, length = letters.shape
    ids = torch.tensor(pool.glyph_ids(domain.ALPHABET), device=letters.device)  # the end's is behind the letters'
    seen = glyph_encoder(ids[F.pad(letters, (0, 1), value=len(domain.ALPHABET))], torch.float32)
    places = torch.arange(length, device=letters.device).expand(batch, -1)
    lengths = torch.full((batch, length + 1), length, device=letters.device)
    entropy = lambda head, x, wanted: F.cross_entropy(heads[head](x).flatten(0, 1), wanted.flatten())
    return {
        "letter": entropy("letter", seen[:, :length], letters),
        "place": entropy("place", seen[:, :length], places),
        "length": entropy("length", seen, lengths),
    }


def train(context):
    """Writes glyph.pt: glyph."""
    torch.manual_seed(7)
    glyph_encoder = networks.GlyphEncoder().to(context.device)
    outputs = {"letter": len(domain.ALPHABET), "place": domain.LONGEST_WORD, "length": domain.LONGEST_WORD + 1}
    heads = torch.nn.ModuleDict({name: layers.Linear(networks.GLYPH_DIM, out) for name, out in outputs.items()})
    heads.to(context.device)
    named = [*glyph_encoder.named_parameters(), *heads.named_parameters()]
    biases = [weight for name, weight in named if "relative_attention_bias" in name]
    others = [weight for name, weight in named if "relative_attention_bias" not in name]
    optimizer = torch.optim.AdamW([{"params": others}, {"params": biases}], RATE, betas=(0.9, 0.97), weight_decay=1e-4)
    clock = training.Clock(context.budget, context.device)
    means = training.LossMeans(context.log, clock)
    for share in clock.steps():
        for group, rate in zip(optimizer.param_groups, (RATE, BIAS_RATE)):
            group["lr"] = rate * clock.rate(share, flat=0.1, warm=30)
        length = 1 + clock.step % domain.LONGEST_WORD
        letters = torch.randint(len(domain.ALPHABET), (BATCH, length), device=context.device)
        losses = losses_of(glyph_encoder, heads, letters)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_([*others, *biases], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        means.add(BATCH, **losses)
    layers.save_rounded({"glyph": glyph_encoder.state_dict()}, context.path("glyph.pt"))
