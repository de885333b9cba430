// Contract: what is computed between the products of a row of the prior, in fp32. Where the model computes in bf16,
// each
//   result is rounded as upstream's tensors are. Each function reads one row and writes it, and the bits depend on
//   nothing else.
//   Upstream: GlmImageRMSNorm, apply_rotary_pos_emb and GlmImageTextMLP
// Roofline: memory; a few KB that stay in the first cache.
#pragma once

#include <cstdint>

#include "kernels/host/host_kernels.h"

namespace glm::host {

// Widens `count` numbers of this type, exactly.
void widen(const void* from, Type type, int64_t count, float* to);

// Writes numbers that have been rounded to this type.
void narrow(const float* from, int64_t count, Type type, void* to);

// y = weight * rounded(x * rsqrt(mean(x^2) + eps)). All are [dim]; y may be x.
void rms_norm(const float* x, const void* weight, Type type, int64_t dim, float eps, float* y);

// residual = residual + y. Both are [dim].
void add(const float* y, Type type, int64_t dim, float* residual);

// Adds the bias [count] to the products, unless it is null, and rounds them.
void finish_product(const void* bias, Type type, int64_t count, float* y);

// What one position is rotated by.
struct Rotation {
  const void* cosines = nullptr;  // [rotary]
  const void* sines = nullptr;
  Type type = Type::fp32;
  int64_t head = 0;    // features of a head
  int64_t rotary = 0;  // the first of them, which are rotated by pairs (i, i + rotary / 2)
};
// Rotates x [heads, head].
void rotate(const Rotation& rotation, int64_t heads, float* x);

// Replaces the gate by silu(gate) * up. gate_up: [2 * inner], the gate first.
void silu_multiply(Type type, int64_t inner, float* gate_up);

}  // namespace glm::host
