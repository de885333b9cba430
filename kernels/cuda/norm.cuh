// Between two products of a layer: the sums' parts added, their norm, the residual, and the next product's norm, with
// the rounding of upstream's bf16 tensors. A block per batch row. Upstream: GlmImageTextDecoderLayer, GlmImageRMSNorm
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/block_sum.cuh"

namespace glm::cuda {

constexpr int kNormThreads = 512;

// A row of `dim` floats (a multiple of 4) and the slots of a sum.
constexpr int norm_shared_bytes(int dim) {
  return (dim + kSumSlots) * 4;
}

// weight * bf16(x * scale), rounded
GLM_DEVICE float normed(float x, float scale, bf16_bits weight) {
  return simt::round_bf16(of_bf16(weight) * simt::round_bf16(x * scale));
}

GLM_DEVICE float root_scale(float squares, const NormParams& p) {
  return simt::reciprocal_root(simt::divide(squares, static_cast<float>(p.dim)) + p.eps);
}

GLM_DEVICE void norm(const NormParams& p) {
  auto* const values = reinterpret_cast<float*>(simt::shared());  // [dim]
  float* const slots = values + p.dim;
  const int row = simt::block().x;
  bf16_bits* const residual = p.residual + static_cast<int64_t>(row) * p.dim;
  simt::let_next_kernel_begin();
  simt::wait_for_previous_kernel();

  float squares = 0;
  if (p.tokens != nullptr) {
    const bf16_bits* from = p.embedding + static_cast<int64_t>(p.tokens[row]) * p.dim;
    for (int i = simt::thread(); i < p.dim; i += kNormThreads) values[i] = of_bf16(from[i]);
  } else {
    for (int i = 4 * simt::thread(); i < p.dim; i += 4 * kNormThreads) {
      float sum[4] = {0, 0, 0, 0};
      for (int part = 0; part < p.splits; ++part) {
        const simt::Words4 v = simt::load16(p.y + (static_cast<int64_t>(part) * p.batch + row) * p.dim + i);
#pragma unroll
        for (int k = 0; k < 4; ++k) sum[k] += simt::bits_to_float(v.word[k]);
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        values[i + k] = simt::round_bf16(sum[k]);
        squares += values[i + k] * values[i + k];
      }
    }
    const float scale = root_scale(block_sum(squares, slots), p);
    for (int i = simt::thread(); i < p.dim; i += kNormThreads) {
      values[i] = simt::round_bf16(of_bf16(residual[i]) + normed(values[i], scale, p.post_weight[i]));
    }
    squares = 0;
  }
  for (int i = simt::thread(); i < p.dim; i += kNormThreads) {
    residual[i] = to_bf16(values[i]);
    squares += values[i] * values[i];
  }
  const float scale = root_scale(block_sum(squares, slots), p);
  bf16_bits* const x = p.x + static_cast<int64_t>(row) * p.x_stride;
  for (int i = simt::thread(); i < p.dim; i += kNormThreads) x[i] = to_bf16(normed(values[i], scale, p.pre_weight[i]));
}

}  // namespace glm::cuda
