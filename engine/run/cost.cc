#include "engine/run/cost.h"

#include <algorithm>

#include "kernels/decoder_kernels.h"
#include "tokenizer/prompt_layout.h"

namespace glm {
namespace {

constexpr double kGlyphRows = 64;         // glyph rows of a text or two
constexpr double kMostGlyphBytes = 2048;  // bytes of a text; upstream cuts longer ones
constexpr double kPromptPositions = 512;  // ids of a long prompt
constexpr double kKernelArea = 9;         // weights of a 3 x 3 kernel
constexpr double kEncoder = 2.0 / 3;      // the VAE encoder's weights and work, as a part of the decoder's
constexpr double kWholeVae = 1 + kEncoder;

double real(int64_t n) {
  return static_cast<double>(n);
}

// Calls each(channels in, channels out, pixels for one latent) for every 3 x 3 convolution of the VAE decoder.
template <typename Each>
void for_vae_convs(const VaeConfig& c, Each each) {
  double pixels = 1;  // for one latent
  double from = real(c.channels.back());
  each(real(c.latent_channels), from, pixels);
  for (int i = 0; i < 4; ++i) each(from, from, pixels);  // the middle
  for (size_t level = c.channels.size(); level-- > 0;) {
    const double to = real(c.channels[level]);
    for (int64_t resnet = 0; resnet <= c.layers_per_block; ++resnet) {
      each(resnet == 0 ? from : to, to, pixels);
      each(to, to, pixels);
    }
    if (level > 0) {
      pixels *= 4;
      each(to, to, pixels);
    }
    from = to;
  }
  each(from, real(c.image_channels), pixels);
}

double dit_width(const DitConfig& c) {
  return real(c.heads) * real(c.head_dim);
}

double dit_blocks(const DitConfig& c) {
  return real(c.layers) * 12 * dit_width(c) * dit_width(c);
}

double rows(const Canvas& canvas, double glyph_rows) {
  return real(canvas.branches) * (real(canvas.geometry.patches.cells()) + glyph_rows);
}

// Returns how many numbers the VAE holds at once for a picture or a reference of this size. In the first block of a
// level, these are the input, the normed input and the result. In a later block, they are the input, the result of the
// first convolution, the norm of that result, and the result of the second convolution. A normed tensor of more than
// `most` numbers exists only in bands, and so does such an input of a first block.
double vae_numbers(const VaeConfig& c, const Geometry& g, double most) {
  double widest = 0;
  double pixels = real(g.latents.cells());
  double from = real(c.channels.back());
  for (size_t level = c.channels.size(); level-- > 0; pixels *= 4) {
    const double in = std::min(from * pixels, most);
    const double out = real(c.channels[level]) * pixels;
    widest = std::max({widest, 2 * in + out, 3 * out + std::min(out, most)});
    from = real(c.channels[level]);
  }
  return widest;
}

// How many numbers a pass of the DiT holds. For each row these are the row itself, its query, key and value, and four
// times the width in the feed-forward layer.
double dit_pass(const DitConfig& c, double row_count) {
  return row_count * dit_width(c) * 8;
}

// How many numbers the bias of the glyph encoder's scores has, which all blocks share. For each text and head it is the
// square of the longest text's length.
double glyph_bias(const GlyphConfig& c, const CallLoad& load) {
  const double length = std::min(real(load.bytes), kMostGlyphBytes) + 2;
  return real(load.texts) * real(c.heads) * length * length;
}

// Multiplications and additions of the DiT's attention, in all layers.
double attention(const DitConfig& c, double queries, double keys) {
  return real(c.layers) * 4 * queries * keys * dit_width(c);
}

// Multiplications and additions of the VAE decoder for a picture of this size.
double vae_pass(const VaeConfig& c, const Geometry& g) {
  double work = 0;
  for_vae_convs(c, [&](double in, double out, double each) {
    work += 2 * kKernelArea * in * out * each * real(g.latents.cells());
  });
  return work;
}

// Multiplications and additions of the vision tower for a picture of so many patches.
double vision_pass(const VisionConfig& c, double patches) {
  const double weights = 4 * real(c.dim) * real(c.dim) + 2 * real(c.dim) * real(c.inner_dim);
  return real(c.layers) * (2 * weights * patches + 4 * patches * patches * real(c.dim));
}

double glyph_rows(const CallLoad& load) {
  return real(load.texts) * (std::min(real(load.bytes), kMostGlyphBytes) + 2);
}

}  // namespace

double prior_layer_weights(const PriorConfig& p) {
  return real(p.layers) * real(p.dim) * (real(p.head_dim) * 2 * real(p.heads + p.kv_heads) + 3 * real(p.inner_dim));
}

WeightBytes weight_bytes(const ModelConfig& c, const BytesOfOne& one) {
  const PriorConfig& p = c.prior;
  const VisionConfig& v = c.vision;
  const GlyphConfig& g = c.glyph;
  const double dim = dit_width(c.dit);
  double vae = 0;
  for_vae_convs(c.vae, [&](double in, double out, double) { vae += kKernelArea * in * out; });
  const double tables = real(p.vocab + p.vision_vocab) * real(p.dim);
  const double around_blocks =
      real(c.dit.layers) * 12 * dim * real(c.dit.time_dim) + real(c.dit.codebook) * dim + 8 * dim * dim;
  const double vision = real(v.layers) * real(v.dim) * (4 * real(v.dim) + 2 * real(v.inner_dim)) +
                        real(v.positions) * real(v.positions) * real(v.dim);
  const double codebook = real(c.codebook.entries) * real(c.codebook.dim);
  const double glyph =
      real(g.dim) * (real(g.vocab) + real(g.layers) * (4 * real(g.heads) * real(g.head_dim) + 3 * real(g.inner_dim)));
  return {.language = prior_layer_weights(p) * one.prior + (tables + vision + codebook) * one.element,
          .glyphs = glyph * one.element,
          .dit = dit_blocks(c.dit) * one.dit + around_blocks * one.element,
          .vae = kWholeVae * vae * one.element};
}

double call_bytes(const ModelConfig& c, const CallLoad& load, double element) {
  const Geometry& g = load.canvas.geometry;
  const double cells = real(g.tokens.cells());
  double held = 8 * cells * real(load.pictures);  // ids of the tokens
  if (load.pixels && load.keeps_pictures) held += 3 * real(g.height) * real(g.width) * real(load.pictures);
  double stage = 0;  // numbers that the largest stage holds
  const double most = real(kBandBytes) / element;
  double places = 0;
  if (load.tokens || load.latents) {
    for (const Grid& grid : load.references) {
      const Geometry own = c.geometry(grid);
      const double patches = real(own.patches.cells());
      held += 2 * real(c.dit.layers) * patches * dit_width(c.dit) * element;  // keys and values
      held += 3 * real(own.height) * real(own.width);
      stage = std::max({stage, vae_numbers(c.vae, own, most), dit_pass(c.dit, patches)});
      places += real(grid.cells());
    }
  }
  if (load.tokens) {
    const double positions = 2 * cells + places + kPromptPositions;
    stage = std::max(stage, 2 * real(c.prior.layers) * positions * real(c.prior.kv_heads) * real(c.prior.head_dim));
  }
  if (load.latents) {
    stage = std::max({stage, glyph_bias(c.glyph, load), dit_pass(c.dit, rows(load.canvas, glyph_rows(load)))});
  }
  if (load.pixels) stage = std::max(stage, vae_numbers(c.vae, g, most));
  return held + element * stage;
}

Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, const std::vector<Grid>& references) {
  const Geometry& g = canvas.geometry;
  const int64_t cells = g.tokens.cells();
  const int64_t small = references.empty() ? preview_grid(g.tokens).cells() : 0;
  const double sequence = real(g.patches.cells()) + kGlyphRows;
  double reading = 0;
  double places = 0;   // ids that stand for the references
  double patches = 0;  // of the references, whose keys the branch with the prompt sees
  for (const Grid& grid : references) {
    const Geometry own = c.geometry(grid);
    const double rows_of_own = real(own.patches.cells());
    reading += vision_pass(c.vision, real(grid.cells())) + kEncoder * vae_pass(c.vae, own) +
               2 * dit_blocks(c.dit) * rows_of_own + attention(c.dit, rows_of_own, rows_of_own);
    places += real(grid.cells());
    patches += rows_of_own;
  }
  return {.references = reading,
          .prompt = 2 * prior_layer_weights(c.prior) * (real(prompt_length) + places),
          .step = 2 * dit_blocks(c.dit) * rows(canvas, kGlyphRows) +
                  real(canvas.branches) * attention(c.dit, sequence, sequence) + attention(c.dit, sequence, patches),
          .pixels = vae_pass(c.vae, g),
          .read = prior_layer_weights(c.prior) + real(c.prior.vision_vocab) * real(c.prior.dim),
          .tokens = cells + small + 1};
}

}  // namespace glm
