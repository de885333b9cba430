// The work between two products of a layer. The kernel adds the parts of the sums, norms them, adds the residual, and
// norms the new residual for the next product. It rounds where upstream's bf16 tensors do. One block does a batch row;
// with own_x every block does the only row for itself.
// Upstream: GlmImageTextDecoderLayer, GlmImageRMSNorm
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/grid_barrier.cuh"
#include "kernels/cuda/parts.cuh"

namespace glm::cuda {

struct NormShared {
  float slots[kSumSlots];
};

// weight * bf16(x * scale), rounded
GLM_DEVICE float normed(float x, float scale, float weight) {
  return simt::round_bf16(weight * simt::round_bf16(x * scale));
}

GLM_DEVICE float root_scale(float squares, float share, float eps) {
  return simt::reciprocal_root(squares * share + eps);
}

template <int kVectors>
GLM_DEVICE float squares(const float (&values)[kVectors][4]) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int k = 0; k < 4; ++k) sum += values[v][k] * values[v][k];
  }
  return sum;
}

// Norms the product and adds it to the residual. `values` gets the new residual. share: 1 / dim
template <int kVectors>
GLM_DEVICE void add_product(const NormParams& p, int row, float share, const int (&at)[kVectors],
                            const bool (&there)[kVectors], const simt::Words2 (&before)[kVectors],
                            const simt::Words2 (&post)[kVectors], float* slots, float (&values)[kVectors][4]) {
  const float* y[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) y[v] = p.y + static_cast<int64_t>(row) * p.dim + at[v];
  add_parts(y, static_cast<int64_t>(p.batch) * p.dim, p.splits, values);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = there[v] ? simt::round_bf16(values[v][k]) : 0.0f;
  }
  const float scale = root_scale(block_sum(squares(values), slots), share, p.eps);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    float weight[4];
    float sum[4];
    unpack(post[v], weight);
    unpack(before[v], sum);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = simt::round_bf16(sum[k] + normed(values[v][k], scale, weight[k]));
  }
}

// Norms one row, with all teams of the block. It loads all that it reads at once, so that it takes about as long as one
// answer from memory. x: where the normed row goes. writes: whether it writes the residual, too
template <int kTeams>
GLM_DEVICE void norm_row(const NormParams& p, int row, bf16_bits* x, bool writes, float* slots, GridBarrier& barrier) {
  constexpr int kVectors = kMaxDim / (4 * kThreads * kTeams);  // vectors of four neighbours that a thread holds
  const float share = simt::divide(1.0f, static_cast<float>(p.dim));
  int at[kVectors];  // threads beyond the row read its beginning, and count it as zeros
  bool there[kVectors];
  simt::Words2 pre[kVectors];
  simt::Words2 post[kVectors] = {};
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {  // weights depend on no call, so they are loaded before the wait
    const int i = 4 * (simt::block_thread() + v * kThreads * kTeams);
    there[v] = i < p.dim;
    at[v] = there[v] ? i : 0;
    pre[v] = simt::load8(p.pre_weight + at[v]);
    if (p.tokens == nullptr) post[v] = simt::load8(p.post_weight + at[v]);
  }
  barrier.wait();

  float values[kVectors][4];
  const bf16_bits* const from = p.tokens != nullptr ? p.embedding + static_cast<int64_t>(p.tokens[row]) * p.dim
                                                    : p.before + static_cast<int64_t>(row) * p.dim;
  simt::Words2 before[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) before[v] = simt::load8(from + at[v]);
  if (p.tokens == nullptr) {
    add_product(p, row, share, at, there, before, post, slots, values);
  } else {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) unpack(before[v], values[v]);
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (writes && there[v]) simt::store8(p.residual + static_cast<int64_t>(row) * p.dim + at[v], pack(values[v]));
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = there[v] ? values[v][k] : 0.0f;
  }
  const float scale = root_scale(block_sum(squares(values), slots), share, p.eps);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    float weight[4];
    unpack(pre[v], weight);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[v][k] = normed(values[v][k], scale, weight[k]);
    if (there[v]) simt::store8(x + at[v], pack(values[v]));
  }
}

// Norms the block's rows. own_x: where x goes if p.own_x isn't 0. The block's threads wait for each other at the end,
// so that all of them may read x.
template <int kTeams>
GLM_DEVICE void norm(const NormParams& p, NormShared& s, bf16_bits* own_x, GridBarrier& barrier) {
  const bool own = p.own_x != 0;
  for (int i = p.dim + simt::block_thread(); i < p.own_x; i += kThreads * kTeams) own_x[i] = 0;
#pragma unroll 1
  for (int row = own ? 0 : simt::block().x; row < p.batch; row += simt::blocks()) {
    norm_row<kTeams>(p, row, own ? own_x : p.x + static_cast<int64_t>(row) * p.x_stride, !own || simt::block().x == 0,
                     s.slots, barrier);
  }
  if (own) {
    simt::sync();
  } else {
    barrier.wait();
  }
}

}  // namespace glm::cuda
