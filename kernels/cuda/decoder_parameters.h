// What the kernels of the diffusion transformer and the VAE are told. All pointers are device memory, and multiples of
// 16 bytes.
#pragma once

#include <stdint.h>

#include "kernels/cuda/parameters.h"

namespace glm::cuda {

constexpr int kRowThreads = 256;  // of a block of these kernels
constexpr int kMostParts = 4;     // parts of a pass's rows: text and image of two branches
constexpr int kVector = 8;        // neighbours that a thread loads at once

// Rows that use the same row of the modulation's tables.
struct RowPart {
  int end;  // the row behind the last one; each part begins where the one before ends
  int modulation;
};

// sum = x + y * gate, and normed = layer_norm(sum) * (1 + scale) + shift. Each operation is rounded to bf16.
struct ModulateParams {
  const bf16_bits* x;      // [rows, dim]
  const bf16_bits* y;      // [rows, dim], or null: then the sum is x, and isn't written
  const bf16_bits* gate;   // [., dim], a row every `stride`; the tables likewise
  bf16_bits* sum;          // [rows, dim]; may be x
  const bf16_bits* scale;  // null: nothing is normed
  const bf16_bits* shift;
  bf16_bits* normed;          // [rows, dim]
  RowPart parts[kMostParts];  // they cover all rows
  int rows;
  int dim;     // a multiple of 8, at most kWidestRow
  int stride;  // between rows of the tables, a multiple of 8
  float eps;
};
constexpr int kWidestRow = 4 * kVector * kRowThreads;
constexpr int vectors_of(int dim) {  // that a thread holds: 1, 2 or 4
  return dim <= kVector * kRowThreads ? 1 : dim <= 2 * kVector * kRowThreads ? 2 : 4;
}

// A sequence has text rows, then image rows. Each sequence begins where the one before ends.
struct Sequence {
  int text, image;
};

// Norms each head of queries and keys. Then rotates the heads of the image rows by their places. It works in place. The
// norm is rounded to bf16. The rotation is computed in fp32, and its result is rounded once.
struct HeadsParams {
  bf16_bits* qkv;        // [rows, 3, heads, head]: q, k, v
  const float* cosines;  // [image, head]
  const float* sines;
  Sequence sequences[kMostParts];  // they cover all rows
  int rows, heads;
  int head;  // 8 times a power of two from 2 to 32
  float eps;
};

// Norms groups of channels, and may apply SiLU to the result. The pixels are in channels-last order. One kernel
// computes the statistics of the whole picture. Then another one computes y, of all pixels or of some at a time.
struct GroupNormParams {
  const bf16_bits* x;  // [pictures, pixels, channels]
  const bf16_bits* weight;
  const bf16_bits* bias;
  bf16_bits* y;       // as x; may be x
  float* partial;     // [pictures, chunks, groups, 3]: room for the numbers of each chunk
  float* statistics;  // [pictures, groups, 2]: mean, and 1 / sqrt(variance + eps)
  int64_t pixels;     // of a picture
  int pictures;
  int channels;  // 8 times a power of two, at most 2048
  int groups;    // each has 4 channels or a multiple of 8
  int chunks;    // parts of the pixels
  int silu;      // not 0: y is silu(norm), with the norm rounded to bf16
  float eps;
};

// Whether the kernels take these sizes. Where they don't, ATen computes.
constexpr bool modulate_fits(int64_t dim, int64_t parts) {
  return dim % kVector == 0 && dim > 0 && dim <= kWidestRow && parts <= kMostParts;
}
constexpr bool heads_fit(int64_t head, int64_t sequences) {
  const int64_t lanes = head / kVector;
  return head % kVector == 0 && lanes >= 2 && lanes <= 32 && (lanes & (lanes - 1)) == 0 && sequences <= kMostParts;
}
constexpr bool group_norm_fits(int64_t channels, int64_t groups) {
  const int64_t vectors = channels / kVector;
  const int64_t group = groups > 0 ? channels / groups : 0;
  return channels % kVector == 0 && vectors > 0 && vectors <= kRowThreads && (vectors & (vectors - 1)) == 0 &&
         groups > 0 && groups <= kRowThreads && channels % groups == 0 && (group == 4 || group % kVector == 0);
}

// Returns how many pixels a chunk has. A block takes a chunk. One block later joins the moments of all chunks, so there
// mustn't be too many: the chunks of a large picture are larger.
constexpr int64_t chunk_pixels(int64_t pixels) {
  constexpr int64_t least = 512;
  constexpr int64_t most_chunks = 2048;
  const int64_t share = (pixels + most_chunks - 1) / most_chunks;
  return share > least ? share : least;
}
// Returns how many chunks a picture has.
constexpr int64_t group_norm_chunks(int64_t pixels) {
  return (pixels + chunk_pixels(pixels) - 1) / chunk_pixels(pixels);
}
constexpr int64_t kMostPictures = 65535;  // of a launch

}  // namespace glm::cuda
