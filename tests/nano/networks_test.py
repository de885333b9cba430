"""The recipe's networks compute what upstream's do, with the same names of weights."""

import unittest

import torch
from diffusers import AutoencoderKL, GlmImageTransformer2DModel
from transformers import GlmImageConfig, GlmImageForConditionalGeneration, T5Config, T5EncoderModel

import decoder
import pack
import prior
import sizes
import vae
import vision


def randomise(module):
    torch.manual_seed(1)
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.5 if weight.ndim == 1 else weight[0].numel() ** -0.5)
    return module.eval()


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


class Networks(unittest.TestCase):
    @torch.no_grad()
    def test_vae_is_upstreams(self):
        ours = randomise(vae.Vae())
        theirs = AutoencoderKL.from_config(sizes.VAE).eval()
        theirs.load_state_dict(ours.state_dict())
        x, z = torch.randn(1, 3, 64, 32), torch.randn(1, 8, 4, 6)
        close(ours.encoder(x), theirs.encode(x).latent_dist.mean)
        close(ours.decoder(z), theirs.decode(z).sample)

    @torch.no_grad()
    def test_decoder_is_upstreams_with_and_without_a_reference(self):
        ours = randomise(decoder.Decoder())
        theirs = GlmImageTransformer2DModel.from_config(sizes.DECODER).eval()
        theirs.load_state_dict(ours.state_dict())
        from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache

        latents, reference = torch.randn(2, 8, 8, 12), torch.randn(2, 8, 8, 12)
        glyphs, ids = torch.randn(2, 3, sizes.GLYPH["d_model"]), torch.randint(sizes.CODES, (2, 24))
        dropped, time = torch.tensor([False, True]), torch.tensor([999.0, 17.0])
        size = torch.tensor([[64.0, 96.0]])

        def upstream(hidden, glyphs, ids, drop, time, cache):
            return theirs(
                hidden,
                glyphs,
                ids,
                drop[:, None].expand_as(ids),
                time,
                size.expand(len(ids), -1),
                torch.zeros(len(ids), 2),
                return_dict=False,
                kv_caches=cache,
            )[0]

        cache = GlmImageKVCache(sizes.DECODER["num_layers"])
        cache.set_mode("write")
        for i in range(2):
            upstream(reference[i : i + 1], glyphs[:1, :0], ids[i : i + 1], torch.tensor([False]), torch.zeros(1), cache)
            cache.next_sample()
        none = torch.tensor([False, False])
        kept = ours(decoder.patchify(reference), 4, 6, glyphs[:, :0], ids, none, torch.zeros(2), want_keys=True)
        for sources, mode in ((None, "skip"), (kept, "read")):
            cache.set_mode(mode)
            made = ours(decoder.patchify(latents), 4, 6, glyphs, ids, dropped, time, sources)
            close(decoder.unpatchify(made, 4, 6), upstream(latents, glyphs, ids, dropped, time, cache))

    @torch.no_grad()
    def test_glyph_encoder_is_upstreams(self):
        ours = randomise(decoder.GlyphEncoder())
        theirs = T5EncoderModel(T5Config(**sizes.GLYPH)).eval()
        theirs.load_state_dict(ours.state_dict() | {"encoder.embed_tokens.weight": ours.shared.weight})
        ids = torch.randint(3, 259, (2, 7))
        close(ours(ids, torch.float32), theirs(input_ids=ids).last_hidden_state)

    @torch.no_grad()
    def test_prior_and_image_tokenizer_are_upstreams(self):
        text, image = randomise(prior.Prior(1400)), randomise(vision.ImageTokenizer())
        config = pack.prior_config({"vocabulary": 1400, "pad": 1390, "image": 1391})
        theirs = GlmImageForConditionalGeneration(GlmImageConfig(**config)).eval()
        states = {f"model.{key}": value for key, value in image.state_dict().items()} | text.state_dict()
        theirs.load_state_dict(states)
        ids = torch.randint(1400, (2, 40))
        positions = torch.randint(30, (2, 3, 40))
        made = text.lm_head(text.hidden(ids, positions, torch.float32))
        model = theirs.model.language_model
        close(made, theirs.lm_head(model(input_ids=ids, position_ids=positions.transpose(0, 1)).last_hidden_state))

        rows, columns = 6, 9
        picture = torch.rand(1, 3, 16 * rows, 16 * columns) * 2 - 1
        patches = picture.view(1, 3, rows, 16, columns, 16).permute(0, 2, 4, 1, 3, 5).reshape(rows * columns, -1)
        grids = torch.tensor([[1, rows, columns]])
        seen = theirs.get_image_features(patches, grids).pooler_output
        seen = torch.cat(list(seen)) if isinstance(seen, (list, tuple)) else seen
        close(image.visual(picture)[0], seen)
        self.assertTrue(torch.equal(image.tokens(picture)[0], theirs.get_image_tokens(seen, grids).flatten()))


if __name__ == "__main__":
    unittest.main()
