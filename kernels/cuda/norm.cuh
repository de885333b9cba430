// Between two products of a layer: the sums' parts added, their norm, the residual, and the next product's norm, with
// the rounding of upstream's bf16 tensors. A block per batch row. Upstream: GlmImageTextDecoderLayer, GlmImageRMSNorm
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/parts.cuh"

namespace glm::cuda {

constexpr int kNormSharedBytes = kSumSlots * 4;
constexpr int kVectors = kMaxDim / (4 * kThreads);  // of four neighbours, that a thread holds

// weight * bf16(x * scale), rounded
GLM_DEVICE float normed(float x, float scale, float weight) {
  return simt::round_bf16(weight * simt::round_bf16(x * scale));
}

GLM_DEVICE float root_scale(float squares, const NormParams& p) {
  return simt::reciprocal_root(simt::divide(squares, static_cast<float>(p.dim)) + p.eps);
}

GLM_DEVICE float squares(const float (&values)[kVectors][4]) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int k = 0; k < 4; ++k) sum += values[v][k] * values[v][k];
  }
  return sum;
}

// All that is read is asked for at once: it lasts about as long as one answer takes.
GLM_DEVICE void norm_row(const NormParams& p, int row, float* slots, Grid& grid) {
  const auto each = [&](auto use) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int i = 4 * (simt::thread() + v * kThreads);
      if (i < p.dim) use(v, i);
    }
  };
  simt::Words2 pre[kVectors];
  simt::Words2 post[kVectors];
  each([&](int v, int i) {  // weights depend on nothing
    pre[v] = simt::load8(p.pre_weight + i);
    if (p.tokens == nullptr) post[v] = simt::load8(p.post_weight + i);
  });
  grid.wait();

  bf16_bits* const residual = p.residual + static_cast<int64_t>(row) * p.dim;
  float values[kVectors][4] = {};
  if (p.tokens != nullptr) {
    const bf16_bits* from = p.embedding + static_cast<int64_t>(p.tokens[row]) * p.dim;
    each([&](int v, int i) { unpack(simt::load8(from + i), values[v]); });
  } else {
    simt::Words2 before[kVectors];
    each([&](int v, int i) {
      before[v] = simt::load8(residual + i);
      add_parts(p.y + static_cast<int64_t>(row) * p.dim + i, static_cast<int64_t>(p.batch) * p.dim, p.splits,
                values[v]);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[v][k] = simt::round_bf16(values[v][k]);
    });
    const float scale = root_scale(block_sum(squares(values), slots), p);
    each([&](int v, int) {
      float weight[4];
      float sum[4];
      unpack(post[v], weight);
      unpack(before[v], sum);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[v][k] = simt::round_bf16(sum[k] + normed(values[v][k], scale, weight[k]));
    });
  }
  each([&](int v, int i) { simt::store8(residual + i, pack(values[v])); });
  const float scale = root_scale(block_sum(squares(values), slots), p);
  bf16_bits* const x = p.x + static_cast<int64_t>(row) * p.x_stride;
  each([&](int v, int i) {
    float weight[4];
    unpack(pre[v], weight);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = normed(values[v][k], scale, weight[k]);
    simt::store8(x + i, pack(values[v]));
  });
}

// shared: kNormSharedBytes
GLM_DEVICE void norm(const NormParams& p, char* shared, Grid& grid) {
#pragma unroll 1
  for (int row = simt::block().x; row < p.batch; row += simt::blocks()) {
    norm_row(p, row, reinterpret_cast<float*>(shared), grid);
  }
  grid.wait();
}

}  // namespace glm::cuda
