// Between two products of a layer: the sums' parts added, their norm, the residual, and the next product's norm, with
// the rounding of upstream's bf16 tensors. A block per batch row. Upstream: GlmImageTextDecoderLayer, GlmImageRMSNorm
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/parts.cuh"

namespace glm::cuda {

struct NormShared {
  float slots[kSumSlots];
};
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
// x: where the row's goes. writes: the residual too
GLM_DEVICE void norm_row(const NormParams& p, int row, bf16_bits* x, bool writes, float* slots, Grid& grid) {
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

  float values[kVectors][4] = {};
  if (p.tokens != nullptr) {
    const bf16_bits* from = p.embedding + static_cast<int64_t>(p.tokens[row]) * p.dim;
    each([&](int v, int i) { unpack(simt::load8(from + i), values[v]); });
  } else {
    const bf16_bits* const from = p.before + static_cast<int64_t>(row) * p.dim;
    simt::Words2 before[kVectors];
    each([&](int v, int i) {
      before[v] = simt::load8(from + i);
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
  if (writes) {
    bf16_bits* const residual = p.residual + static_cast<int64_t>(row) * p.dim;
    each([&](int v, int i) { simt::store8(residual + i, pack(values[v])); });
  }
  const float scale = root_scale(block_sum(squares(values), slots), p);
  each([&](int v, int i) {
    float weight[4];
    unpack(pre[v], weight);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = normed(values[v][k], scale, weight[k]);
    simt::store8(x + i, pack(values[v]));
  });
}

// own_x: where x goes with p.own_x, and then the block has met afterwards.
GLM_DEVICE void norm(const NormParams& p, NormShared& s, bf16_bits* own_x, Grid& grid) {
  if (p.own_x != 0) {
    for (int i = p.dim + simt::thread(); i < p.own_x; i += kThreads) own_x[i] = 0;
    norm_row(p, 0, own_x, simt::block().x == 0, s.slots, grid);
    simt::sync();
    return;
  }
#pragma unroll 1
  for (int row = simt::block().x; row < p.batch; row += simt::blocks()) {
    norm_row(p, row, p.x + static_cast<int64_t>(row) * p.x_stride, true, s.slots, grid);
  }
  grid.wait();
}

}  // namespace glm::cuda
