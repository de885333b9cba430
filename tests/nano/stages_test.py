"""Each stage of the recipe on a handful of samples."""

import json
import random
import re
import tempfile
import unittest
from types import SimpleNamespace

import torch
from tokenizers import Tokenizer

import decoder
import domain
import layers
import pool
import prior
import render
import sizes
import text_tokenizer
import train_decoder
import train_glyph
import train_prior
import train_vae
import train_vq
import training
import vae
import vision

SPRITES = render.draw_sprites() if render.fonts_are_there() else None
DEVICE = torch.device("cpu")


class Domain(unittest.TestCase):
    def test_captions_say_all_that_a_scene_is(self):
        rnd, said = random.Random(1), {}
        for _ in range(20000):
            scene = domain.random_scene(rnd)
            text = domain.caption(scene, rnd).rstrip(".").lower()
            text = re.sub("^(a picture of|an image of|a drawing of|draw) ", "", text)
            layout = "pair" if scene.layout == "two" and scene.things[0] == scene.things[1] else scene.layout
            self.assertEqual(said.setdefault(text, (layout, scene.word)), (layout, scene.word), text)

    def test_things_stand_inside_the_picture_and_apart(self):
        for width, height in domain.SIZES:
            for layout in domain.LAYOUTS:
                boxes = [(x - s // 2, y - s // 2, s, s) for x, y, s in domain.places(layout, width, height)]
                for letters in range(1, 7) if layout == "word" else [0]:
                    for x, y, w, h in boxes + domain.letter_boxes(layout, letters, width, height):
                        self.assertTrue(
                            0 <= x and 0 <= y and x + w <= width and y + h <= height, (layout, width, height)
                        )
                for i, (x, y, w, h) in enumerate(boxes):
                    for a, b, c, d in boxes[:i]:
                        self.assertTrue(x >= a + c or a >= x + w or y >= b + d or b >= y + h, layout)

    def test_held_prompts_are_two_hundred_and_never_drawn(self):
        held = domain.held_prompts()
        self.assertEqual([len(held), held], [200, domain.held_prompts()])
        scenes = domain.held_scenes()
        drawn = pool.draw((1, False, 3000)) + pool.draw((2, True, 500))
        self.assertFalse(any((item.target if isinstance(item, domain.Edit) else item) in scenes for item, _ in drawn))


class TextTokenizer(unittest.TestCase):
    def test_merges_are_closed_and_quoted_words_stay_letters(self):
        made = text_tokenizer.train()
        vocabulary, merges = made["model"]["vocab"], {tuple(merge) for merge in made["model"]["merges"]}
        texts = [
            token for token, i in vocabulary.items() if i >= sizes.TEXT_BEGIN and token not in text_tokenizer.SPECIAL
        ]
        for token in texts:
            for i in range(1, len(token)):
                if token[:i] in vocabulary and token[i:] in vocabulary:
                    self.assertIn((token[:i], token[i:]), merges)
        ids = text_tokenizer.prompt_ids(Tokenizer.from_str(json.dumps(made)), ['the word "HELLO"'], [(8, 8), (16, 16)])[
            0
        ]
        self.assertEqual(
            [i for i in ids if i in {vocabulary[letter] for letter in "HELO"}],
            [vocabulary[letter] for letter in "HELLO"],
        )
        self.assertEqual(ids[-1], sizes.IMAGE_BEGIN)


@unittest.skipUnless(SPRITES, "fonts-noto-color-emoji and fonts-dejavu-core are not installed")
class Stages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.renderer = render.Renderer(SPRITES, DEVICE)
        cls.text = Tokenizer.from_str(json.dumps(text_tokenizer.train()))
        networks = vision.ImageTokenizer(), vae.Vae().encoder
        torch.nn.init.normal_(networks[0].vqmodel.quantize.embedding.weight)
        rnd = random.Random(4)
        scenes = [domain.random_scene(rnd, "centre", word) for word in (False, False, True)]
        edits = [domain.random_edit(rnd, kind) for kind in ("background", "colour", "word")]
        drawn = [[(scene, domain.caption(scene, rnd)) for scene in scenes], [(edit, edit.text) for edit in edits]]
        cls.groups = [
            pool.Group(0, is_edit).encode(drawn[is_edit], cls.text, cls.renderer, networks, 3)
            for is_edit in (False, True)
        ]

    def test_a_picture_holds_what_the_scene_says(self):
        green = domain.COLOUR_NAMES.index("green")
        scene = domain.Scene("left", ((domain.THINGS.index("square"), green),), domain.WHITE)
        picture = self.renderer.pictures([scene], 384, 256)[0]
        self.assertEqual(picture[:, 128, 60].tolist(), list(domain.COLOURS["green"]))
        self.assertEqual(picture[:, 128, 300].tolist(), list(domain.COLOURS["white"]))

    def test_sequences_are_prompt_then_grids(self):
        for group in self.groups:
            ids, positions, first, grids = group.sequences(torch.arange(3))
            for i in range(3):
                start = int(first[i]) + 1
                self.assertEqual(int(ids[i, start - 1]), sizes.IMAGE_BEGIN)
                self.assertTrue(ids[i, start : start + grids.shape[1]].equal(grids[i]))
                self.assertEqual(int(positions[i, 0, start]), int(positions[i, 0, start - 1]) + 1)

    def test_losses_reach_every_weight(self):
        index = torch.arange(2)
        net = prior.Prior(2112)
        both = torch.nn.ModuleList([decoder.Decoder(), decoder.GlyphEncoder()])
        torch.nn.init.normal_(both[0].proj_out.weight, std=0.1)
        for block in both[0].transformer_blocks:
            torch.nn.init.normal_(block.norm1.linear.weight, std=0.1)
        for group in self.groups:
            preview, large, end = train_prior.loss_of(net, group, index, torch.float32)
            (large + end + (0 if preview is None else preview)).backward()
            length = int(group.glyph_length[2])
            self.assertGreater(length, 1)
            scale = torch.zeros(1, 8, 1, 1), torch.ones(1, 8, 1, 1)
            for glyphs, part, patches in ((1, index, None), (length, index[:1] + 2, None), (length, index[:1] + 2, 90)):
                train_decoder.loss_of(*both, group, part, glyphs, scale, torch.float32, patches).backward()
        for module in (net, both):
            for name, weight in module.named_parameters():
                self.assertTrue(weight.grad is not None and bool(weight.grad.abs().sum() > 0), name)

    def test_patches_of_a_word_are_those_it_is_drawn_on(self):
        scene = domain.Scene("word", (), domain.WHITE, "HI", domain.BLACK)
        drawn = self.renderer.pictures([scene], 384, 256)[0].float().mean(0) < 128
        marked = pool.word_patches("word", 2, 384, 256).view(16, 1, 24, 1).expand(-1, 16, -1, 16).reshape(256, 384)
        self.assertTrue(bool(drawn.any()) and not bool((drawn & ~marked).any()))
        self.assertLess(float(marked.float().mean()), 0.3)

    @torch.no_grad()
    def test_a_part_of_the_patches_is_the_decoder_on_these_alone(self):
        net = decoder.Decoder()
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.1)
        patches, tokens, glyphs = torch.randn(2, 24, 32), torch.randint(sizes.CODES, (2, 24)), torch.randn(2, 3, 128)
        rest = torch.tensor([False, True]), torch.tensor([800.0, 20.0])
        whole = net(patches, 4, 6, glyphs, tokens, *rest)
        at = torch.stack([torch.randperm(24) for _ in range(2)])
        moved = net(patches.gather(1, at[..., None].expand(-1, -1, 32)), 4, 6, glyphs, tokens.gather(1, at), *rest, at=at)
        torch.testing.assert_close(moved, whole.gather(1, at[..., None].expand(-1, -1, 32)), rtol=1e-4, atol=1e-4)

    def test_spelling_reaches_every_weight_of_the_glyph_encoder(self):
        net = decoder.GlyphEncoder()
        heads = torch.nn.ModuleDict({name: torch.nn.Linear(128, 40) for name in ("letter", "place", "length")})
        losses = train_glyph.losses_of(net, heads, torch.randint(36, (64, 6)))
        sum(losses.values()).backward()
        for name, weight in net.named_parameters():
            self.assertGreater(float(weight.grad.abs().sum()), 0, name)

    def test_vae_and_codebook_learn(self):
        with tempfile.TemporaryDirectory() as work:
            context = SimpleNamespace(
                sprites=lambda: SPRITES,
                device=DEVICE,
                budget=1.0,
                eager=True,
                log=lambda text: None,
                scaled=lambda count: 2 if count < 1000 else 9,
                path=lambda name: f"{work}/{name}",
            )
            train_vae.train(context)
            states = layers.load_rounded(f"{work}/vae.pt", DEVICE)
            self.assertEqual(list(states["latents"]["latents_mean"].shape), [8])
            train_vq.train(context)
            net = vision.ImageTokenizer()
            net.load_state_dict(layers.load_rounded(f"{work}/vq.pt", DEVICE)["tokenizer"])
            self.assertTrue(bool(torch.isfinite(net.vqmodel.quantize.embedding.weight).all()))


class Training(unittest.TestCase):
    def test_the_optimiser_finds_a_matrix(self):
        torch.manual_seed(1)
        wanted, net = torch.randn(6, 4), torch.nn.Linear(4, 6)
        optimizer = training.Optimizer([net.weight], [net.bias], 0.05, 0.05)
        clock = training.Clock(0.0, DEVICE)
        for step in range(300):
            x = torch.randn(32, 4)
            loss = ((net(x) - x @ wanted.t() - 1) ** 2).mean()
            loss.backward()
            optimizer.step(clock.rate(step / 300, warm=1))
        self.assertLess(float(loss), 1e-2)


if __name__ == "__main__":
    unittest.main()
