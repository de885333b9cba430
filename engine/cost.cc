#include "engine/cost.h"

#include <algorithm>

namespace glm {
namespace {

constexpr int64_t kGlyphRows = 64;  // of a text or two

int64_t conv_weights(int64_t in, int64_t out, int64_t kernel) {
  return in * out * kernel * kernel;
}

// Calls `each` with channels in and out and with pixels for one latent, for every 3 x 3 convolution of the decoder.
template <typename Each>
void for_decoder_convs(const VaeConfig& c, Each each) {
  int64_t pixels = 1;  // for one latent
  int64_t from = c.channels.back();
  each(c.latent_channels, from, pixels);
  for (int i = 0; i < 4; ++i) each(from, from, pixels);  // the middle
  for (size_t level = c.channels.size(); level-- > 0;) {
    const int64_t to = c.channels[level];
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
  each(from, c.image_channels, pixels);
}

double as_double(int64_t n) {
  return static_cast<double>(n);
}

int64_t rows(const Canvas& canvas) {
  return canvas.branches * (4 * canvas.grid.cells() + kGlyphRows);
}

}  // namespace

WeightCounts count_weights(const ModelConfig& c) {
  const PriorConfig& p = c.prior;
  const VisionConfig& v = c.vision;
  const GlyphConfig& g = c.glyph;
  const int64_t dim = c.dit.dim();
  int64_t vae = 0;
  for_decoder_convs(c.vae, [&](int64_t in, int64_t out, int64_t) { vae += conv_weights(in, out, 3); });
  return {.prior_layers =
              p.layers * (p.dim * p.head_dim * (2 * p.heads + 2 * p.kv_heads) + int64_t{3} * p.dim * p.inner_dim),
          .prior_tables = (p.vocab + p.vision_vocab) * p.dim,
          .dit = c.dit.layers * (12 * dim * c.dit.time_dim + 12 * dim * dim) + c.dit.codebook * dim + 8 * dim * dim,
          .rest = v.layers * (4 * v.dim * v.dim + 2 * v.dim * v.inner_dim) + v.positions * v.positions * v.dim +
                  c.codebook.entries * c.codebook.dim + g.vocab * g.dim +
                  g.layers * (4 * g.dim * g.heads * g.head_dim + 3 * g.dim * g.inner_dim) +
                  vae * 5 / 3};  // the encoder has about two thirds of the decoder's
}

int64_t weight_bytes(const ModelConfig& c, double element, double prior_element) {
  const WeightCounts n = count_weights(c);
  return static_cast<int64_t>(as_double(n.prior_layers) * prior_element +
                              as_double(n.prior_tables + n.dit + n.rest) * element);
}

int64_t working_bytes(const ModelConfig& c, const Canvas& canvas, int64_t element) {
  const int64_t cells = canvas.grid.cells();
  const int64_t cache = 2 * c.prior.layers * (2 * cells + 512) * c.prior.kv_heads * c.prior.head_dim;
  const int64_t denoise =
      rows(canvas) * c.dit.dim() * 8;  // rows, their queries, keys and values, the feed-forward's four
  int64_t largest = 0;
  const int64_t latents = cells * 16;
  for_decoder_convs(c.vae, [&](int64_t in, int64_t out, int64_t pixels) {
    largest = std::max(largest, latents * pixels * (in + out));
  });
  return element * std::max({cache, denoise, largest});
}

Work work_of(const ModelConfig& c, const Canvas& canvas, int64_t prompt_length, bool preview) {
  const WeightCounts n = count_weights(c);
  const int64_t cells = canvas.grid.cells();
  const Grid small = preview ? preview_grid(canvas.grid) : Grid{0, 0};
  const int64_t head = c.prior.vision_vocab * c.prior.dim;
  const double dim = as_double(c.dit.dim());
  const double modulation = as_double(c.dit.layers * 12 * c.dit.dim() * c.dit.time_dim);
  const double sequence = as_double(4 * cells + kGlyphRows);
  double pixels = 0;
  for_decoder_convs(c.vae, [&](int64_t in, int64_t out, int64_t each) {
    pixels += 2.0 * as_double(conv_weights(in, out, 3)) * as_double(each) * as_double(cells * 16);
  });
  return {.prompt = 2.0 * as_double(n.prior_layers) * as_double(prompt_length),
          .token = 2.0 * as_double(n.prior_layers + head),
          .step = 2.0 * (as_double(n.dit) - modulation) * as_double(rows(canvas)) +
                  as_double(canvas.branches) * as_double(c.dit.layers) * 4.0 * sequence * sequence * dim,
          .pixels = pixels,
          .read = as_double(n.prior_layers + head),
          .tokens = cells + small.cells() + 1};
}

}  // namespace glm
