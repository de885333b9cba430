#include "engine/run/cost.h"

#include <algorithm>

#include "tokenizer/prompt_layout.h"

namespace glm {
namespace {

constexpr int64_t kGlyphRows = 64;     // of a text or two
constexpr double kTaps = 9;            // of a convolution of 3 x 3
constexpr double kWholeVae = 5.0 / 3;  // the encoder has about two thirds of the decoder's weights

double real(int64_t n) {
  return static_cast<double>(n);
}

// Calls `each` with channels in and out and with pixels for one latent, for every 3 x 3 convolution of the decoder.
template <typename Each>
void for_decoder_convs(const VaeConfig& c, Each each) {
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

double decoder_width(const DitConfig& c) {
  return real(c.heads) * real(c.head_dim);
}

double prior_layers(const PriorConfig& p) {
  return real(p.layers) * real(p.dim) * (real(p.head_dim) * 2 * real(p.heads + p.kv_heads) + 3 * real(p.inner_dim));
}

double dit_blocks(const DitConfig& c) {
  return real(c.layers) * 12 * decoder_width(c) * decoder_width(c);
}

double rows(const Canvas& canvas) {
  return real(canvas.branches) * real(4 * canvas.grid.cells() + kGlyphRows);
}

}  // namespace

double weight_bytes(const ModelConfig& c, double element, double prior_element) {
  const PriorConfig& p = c.prior;
  const VisionConfig& v = c.vision;
  const GlyphConfig& g = c.glyph;
  const double dim = decoder_width(c.dit);
  double vae = 0;
  for_decoder_convs(c.vae, [&](double in, double out, double) { vae += kTaps * in * out; });
  const double tables = real(p.vocab + p.vision_vocab) * real(p.dim);
  const double dit = dit_blocks(c.dit) + real(c.dit.layers) * 12 * dim * real(c.dit.time_dim) +
                     real(c.dit.codebook) * dim + 8 * dim * dim;
  const double vision = real(v.layers) * real(v.dim) * (4 * real(v.dim) + 2 * real(v.inner_dim)) +
                        real(v.positions) * real(v.positions) * real(v.dim);
  const double codebook = real(c.codebook.entries) * real(c.codebook.dim);
  const double glyph =
      real(g.dim) * (real(g.vocab) + real(g.layers) * (4 * real(g.heads) * real(g.head_dim) + 3 * real(g.inner_dim)));
  return prior_layers(p) * prior_element + (tables + dit + vision + codebook + glyph + kWholeVae * vae) * element;
}

double working_bytes(const ModelConfig& c, const Canvas& canvas, double element) {
  const double cells = real(canvas.grid.cells());
  const double cache = 2 * real(c.prior.layers) * (2 * cells + 512) * real(c.prior.kv_heads) * real(c.prior.head_dim);
  const double denoise =
      rows(canvas) * decoder_width(c.dit) * 8;  // rows, queries, keys, values, the feed-forward's four
  double largest = 0;
  for_decoder_convs(c.vae, [&](double in, double out, double pixels) {
    largest = std::max(largest, 16 * cells * pixels * (in + out));
  });
  return element * std::max({cache, denoise, largest});
}

Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, bool preview) {
  const int64_t cells = canvas.grid.cells();
  const int64_t small = preview ? preview_grid(canvas.grid).cells() : 0;
  const double sequence = real(4 * cells + kGlyphRows);
  double pixels = 0;
  for_decoder_convs(
      c.vae, [&](double in, double out, double each) { pixels += 2 * kTaps * in * out * each * 16 * real(cells); });
  return {.prompt = 2 * prior_layers(c.prior) * real(prompt_length),
          .step = 2 * dit_blocks(c.dit) * rows(canvas) +
                  real(canvas.branches) * real(c.dit.layers) * 4 * sequence * sequence * decoder_width(c.dit),
          .pixels = pixels,
          .read = prior_layers(c.prior) + real(c.prior.vision_vocab) * real(c.prior.dim),
          .tokens = cells + small + 1};
}

}  // namespace glm
