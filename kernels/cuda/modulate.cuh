// Adds the gated product to the residual, norms the sum, and modulates the norm, in one pass over the rows. A block
// does one row after another. Upstream: GlmImageTransformerBlock.forward, GlmImageAdaLayerNormZero
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/decoder_parameters.h"

namespace glm::cuda {

GLM_DEVICE int modulation_of(const ModulateParams& p, int row) {
  int part = 0;
  while (row >= p.parts[part].end) ++part;
  return p.parts[part].modulation;
}

// Adds the gated product to a row. It rounds where upstream's bf16 tensors do.
template <int kVectors>
GLM_DEVICE void add_gated(const ModulateParams& p, int64_t row, int64_t table, const int (&at)[kVectors],
                          const bool (&there)[kVectors], float (&values)[kVectors][kVector]) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    float y[kVector];
    float gate[kVector];
    unpack(simt::load16(p.y + row + at[v]), y);
    unpack(simt::load16(p.gate + table + at[v]), gate);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      values[v][k] = simt::round_bf16(values[v][k] + simt::round_bf16(y[k] * gate[k]));
    }
    if (there[v]) simt::store16(p.sum + row + at[v], pack(values[v]));
  }
}

template <int kVectors>
GLM_DEVICE void norm_and_modulate(const ModulateParams& p, int64_t row, int64_t table, const int (&at)[kVectors],
                                  const bool (&there)[kVectors], float* slots, float (&values)[kVectors][kVector]) {
  const float share = simt::divide(1.0f, static_cast<float>(p.dim));
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int k = 0; k < kVector; ++k) sum += there[v] ? values[v][k] : 0.0f;
  }
  const float mean = block_sum(sum, slots) * share;
  float squares = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      values[v][k] = there[v] ? values[v][k] - mean : 0.0f;
      squares += values[v][k] * values[v][k];
    }
  }
  const float scale_of_row = simt::reciprocal_root(block_sum(squares, slots) * share + p.eps);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    float scale[kVector];
    float shift[kVector];
    unpack(simt::load16(p.scale + table + at[v]), scale);
    unpack(simt::load16(p.shift + table + at[v]), shift);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const float normed = simt::round_bf16(values[v][k] * scale_of_row);
      values[v][k] = simt::round_bf16(normed * simt::round_bf16(1.0f + scale[k])) + shift[k];
    }
    if (there[v]) simt::store16(p.normed + row + at[v], pack(values[v]));
  }
}

// kVectors: how many vectors of 8 neighbours a thread holds. shared: room for kSumSlots floats
template <int kVectors>
GLM_DEVICE void modulate(const ModulateParams& p) {
  auto* const slots = reinterpret_cast<float*>(simt::shared());
  int at[kVectors];  // threads beyond the row read its beginning
  bool there[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int i = kVector * (simt::block_thread() + v * kRowThreads);
    there[v] = i < p.dim;
    at[v] = there[v] ? i : 0;
  }
#pragma unroll 1
  for (int r = simt::block().x; r < p.rows; r += simt::blocks()) {
    const int64_t row = static_cast<int64_t>(r) * p.dim;
    const int64_t table = static_cast<int64_t>(modulation_of(p, r)) * p.stride;
    float values[kVectors][kVector];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) unpack(simt::load16(p.x + row + at[v]), values[v]);
    if (p.y != nullptr) add_gated(p, row, table, at, there, values);
    if (p.scale != nullptr) norm_and_modulate(p, row, table, at, there, slots, values);
  }
}

}  // namespace glm::cuda
