// Norms groups of channels and applies SiLU. The pixels are in channels-last order. There are three kernels: the first
// computes the statistics of each chunk of pixels, the second joins them, and the third computes the result. A thread
// goes from pixel to pixel, and always takes the same 8 channels.
// Upstream: torch.nn.GroupNorm and SiLU in ResnetBlock2D
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/decoder_parameters.h"

namespace glm::cuda {

// How many numbers there are, their mean, and the sum of squares of their distances from it.
struct Moments {
  float count, mean, squares;
};

// Returns the moments of both together (Chan, Golub and LeVeque 1979).
GLM_DEVICE Moments joined(const Moments& a, const Moments& b) {
  const float count = a.count + b.count;
  if (count == 0) return a;
  const float apart = b.mean - a.mean;
  const float share = simt::divide(b.count, count);
  return {count, a.mean + apart * share, a.squares + b.squares + apart * apart * a.count * share};
}

// Where a thread's channels and pixels are.
struct PixelWork {
  int first;        // channel
  int64_t pixel;    // its first one
  int64_t end;      // of the chunk
  int64_t step;     // pixels that a block takes at once
  int64_t picture;  // index of the picture's first number
};

GLM_DEVICE PixelWork work_of(const GroupNormParams& p) {
  const int vectors = p.channels / kVector;
  const int64_t begin = simt::block().x * chunk_pixels(p.pixels);
  const int64_t end = begin + chunk_pixels(p.pixels) < p.pixels ? begin + chunk_pixels(p.pixels) : p.pixels;
  return {simt::block_thread() % vectors * kVector, begin + simt::block_thread() / vectors, end, kRowThreads / vectors,
          simt::block().y * p.pixels * p.channels};
}

// Computes the moments of each group in the block's chunk. A thread sums distances from its first pixel, so that a
// large mean costs no digits. Each half of its 8 channels has moments of its own, because a group may have only 4
// channels. shared: 2 * kRowThreads moments
GLM_DEVICE void chunk_statistics(const GroupNormParams& p) {
  auto* const shared = reinterpret_cast<Moments*>(simt::shared());
  const PixelWork w = work_of(p);
  float origin[2] = {};
  float sums[2] = {};
  float squares[2] = {};
  int pixels = 0;
#pragma unroll 1
  for (int64_t pixel = w.pixel; pixel < w.end; pixel += w.step) {
    float values[kVector];
    unpack(simt::load16(p.x + w.picture + pixel * p.channels + w.first), values);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (pixels == 0) origin[half] = values[4 * half];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float distance = values[4 * half + k] - origin[half];
        sums[half] += distance;
        squares[half] += distance * distance;
      }
    }
    ++pixels;
  }
  const float count = 4.0f * static_cast<float>(pixels);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float mean = count == 0 ? 0.0f : simt::divide(sums[half], count);
    shared[2 * simt::block_thread() + half] = {count, origin[half] + mean, squares[half] - sums[half] * mean};
  }
  simt::sync();

  const int group = simt::block_thread();
  if (group >= p.groups) return;
  const int halves = p.channels / 4;       // of a pixel
  const int of_group = halves / p.groups;  // which follow each other
  Moments all{};
#pragma unroll 1
  for (int pixel = 0; pixel < w.step; ++pixel) {
#pragma unroll 1
    for (int i = 0; i < of_group; ++i) all = joined(all, shared[pixel * halves + group * of_group + i]);
  }
  float* const to =
      p.partial + ((static_cast<int64_t>(simt::block().y) * p.chunks + simt::block().x) * p.groups + group) * 3;
  to[0] = all.count;
  to[1] = all.mean;
  to[2] = all.squares;
}

// Joins the moments of a picture's chunks. One block does a picture. Several threads share a group, and take its chunks
// by turns. shared: kRowThreads moments
GLM_DEVICE void picture_statistics(const GroupNormParams& p) {
  auto* const shared = reinterpret_cast<Moments*>(simt::shared());
  const int turns = kRowThreads / p.groups;
  const int group = simt::block_thread() % p.groups;
  const int turn = simt::block_thread() / p.groups;
  const int64_t picture = simt::block().x;
  Moments all{};
#pragma unroll 1
  for (int chunk = turn; turn < turns && chunk < p.chunks; chunk += turns) {
    const float* const from = p.partial + ((picture * p.chunks + chunk) * p.groups + group) * 3;
    all = joined(all, {from[0], from[1], from[2]});
  }
  shared[simt::block_thread()] = all;
  simt::sync();
  if (turn > 0) return;
#pragma unroll 1
  for (int other = 1; other < turns; ++other) all = joined(all, shared[other * p.groups + group]);
  float* const to = p.statistics + (picture * p.groups + group) * 2;
  to[0] = all.mean;
  to[1] = simt::reciprocal_root(simt::divide(all.squares, all.count) + p.eps);
}

GLM_DEVICE float silu_of(float x) {
  return simt::divide(x, 1.0f + simt::exponent(-x));
}

GLM_DEVICE void group_norm(const GroupNormParams& p) {
  const PixelWork w = work_of(p);
  float mean[kVector];
  float scale[kVector];
  float bias[kVector];
  unpack(simt::load16(p.weight + w.first), scale);
  unpack(simt::load16(p.bias + w.first), bias);
  const int of_group = p.channels / p.groups;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float* const statistics =
        p.statistics + (static_cast<int64_t>(simt::block().y) * p.groups + (w.first + k) / of_group) * 2;
    mean[k] = statistics[0];
    scale[k] *= statistics[1];
  }
#pragma unroll 2
  for (int64_t pixel = w.pixel; pixel < w.end; pixel += w.step) {
    const int64_t at = w.picture + pixel * p.channels + w.first;
    float values[kVector];
    unpack(simt::load16(p.x + at), values);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      values[k] = (values[k] - mean[k]) * scale[k] + bias[k];
      if (p.silu != 0) values[k] = silu_of(simt::round_bf16(values[k]));
    }
    simt::store16(p.y + at, pack(values));
  }
}

}  // namespace glm::cuda
