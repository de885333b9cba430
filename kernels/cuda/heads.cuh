// Norms each head of queries and keys, and rotates it, in place. A thread holds a vector of 8 numbers, and the threads
// of a head's vectors work together. The rotation pairs a vector with the one that is half a head away.
// Upstream: GlmImageAttnProcessor, apply_rotary_emb
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/decoder_parameters.h"

namespace glm::cuda {

// Returns the place of an image row in its picture, or -1 for a text row.
GLM_DEVICE int place_of(const HeadsParams& p, int row) {
  int sequence = 0;
  while (row >= p.sequences[sequence].text + p.sequences[sequence].image) {
    row -= p.sequences[sequence].text + p.sequences[sequence].image;
    ++sequence;
  }
  return row < p.sequences[sequence].text ? -1 : row - p.sequences[sequence].text;
}

// Returns the sum of the values of the head's threads, to each of them. lanes: how many there are, a power of two
GLM_DEVICE float sum_of_head(float value, int lanes) {
  for (int mask = 1; mask < lanes; mask *= 2) value += simt::shuffle_xor(value, mask);
  return value;
}

GLM_DEVICE void norm_head(const HeadsParams& p, int lanes, float (&values)[kVector]) {
  const float share = simt::divide(1.0f, static_cast<float>(p.head));
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kVector; ++k) sum += values[k];
  const float mean = sum_of_head(sum, lanes) * share;
  float squares = 0;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    values[k] -= mean;
    squares += values[k] * values[k];
  }
  const float scale = simt::reciprocal_root(sum_of_head(squares, lanes) * share + p.eps);
#pragma unroll
  for (int k = 0; k < kVector; ++k) values[k] = simt::round_bf16(values[k] * scale);
}

// first: the place of this thread's first number in its head
GLM_DEVICE void rotate_head(const HeadsParams& p, int place, int first, int lanes, float (&values)[kVector]) {
  const int64_t from = static_cast<int64_t>(place < 0 ? 0 : place) * p.head + first;
  const float sign = first < p.head / 2 ? -1.0f : 1.0f;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const simt::Words4 cosine = simt::load16(p.cosines + from + 4 * half);
    const simt::Words4 sine = simt::load16(p.sines + from + 4 * half);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      float& value = values[4 * half + k];
      const float other = simt::shuffle_xor(value, lanes / 2);  // all lanes of the warp take part
      const float rotated =
          value * simt::bits_to_float(cosine.word[k]) + sign * other * simt::bits_to_float(sine.word[k]);
      value = place < 0 ? value : rotated;
    }
  }
}

GLM_DEVICE void heads(const HeadsParams& p) {
  const int lanes = p.head / kVector;
  const int heads_of_row = 2 * p.heads;
  const int heads_of_block = kRowThreads / lanes;
  const int first = simt::block_thread() % lanes * kVector;
  const int64_t all = static_cast<int64_t>(p.rows) * heads_of_row;
#pragma unroll 1
  for (int64_t begin = static_cast<int64_t>(simt::block().x) * heads_of_block; begin < all;
       begin += static_cast<int64_t>(simt::blocks()) * heads_of_block) {
    const int64_t own = begin + simt::block_thread() / lanes;
    const bool there = own < all;
    const int64_t head = there ? own : 0;  // others compute the first head, and write nothing
    const int row = static_cast<int>(head / heads_of_row);
    bf16_bits* const at = p.qkv + (static_cast<int64_t>(row) * 3 * p.heads + head % heads_of_row) * p.head + first;
    float values[kVector];
    unpack(simt::load16(at), values);
    norm_head(p, lanes, values);
    rotate_head(p, place_of(p, row), first, lanes, values);
    if (there) simt::store16(at, pack(values));
  }
}

}  // namespace glm::cuda
