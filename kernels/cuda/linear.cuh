// y = W x for 1 to 16 rows x, at the speed of reading W. Upstream: torch.nn.Linear
//
// A block of 8 warps works on a tile of 16 weight rows at a time, and a warp on an eighth of its columns, by
// tensor-core products of the tile with 8 (kColumns = 1) or 16 batch rows. Each thread keeps a queue of its own weights
// coming into shared memory, kDepth blocks of 64 columns deep, over tile after tile; it begins before the previous
// kernel has ended, for weights depend on nothing. The queue needs no barrier: a thread reads only what it copied
// itself.
//
// A row's sum is taken in an order that depends on the weight's shape and `splits` alone: it has the same bits whatever
// shares its batch.
#pragma once

#include "kernels/cuda/weight_format.h"

namespace glm::cuda {

constexpr int kLinearWarps = 8;
constexpr int kLinearThreads = 32 * kLinearWarps;
constexpr int kQueueBytes = 80 * 1024;
constexpr int kColumnStride = 20;  // of a column's 16 sums in shared memory: no two lanes meet in a bank

template <typename F>
struct Queue {
  static constexpr int kScaleBytes = F::kGroupScaled ? 8 : 0;
  static constexpr int kSlotBytes = F::kLaneBytes + kScaleBytes;  // a thread's
  static constexpr int kDepth = kQueueBytes / (kLinearThreads * kSlotBytes);
};

constexpr int kExchangeFloats = kLinearWarps * 8 * kColumnStride;  // the warps' sums of 8 columns
constexpr int kLinearSharedBytes = kQueueBytes + 2 * kExchangeFloats * 4;

// Which 64-column blocks a warp works through, in order: over the block's units (a tile's split each), in each its
// slice.
struct Cursor {
  int unit, block, end;
};

GLM_DEVICE int column_blocks(const LinearParams& p) {
  return p.weight.inner / kBlockInner;
}
GLM_DEVICE int units(const LinearParams& p) {
  return p.weight.rows / kTileRows * p.splits;
}

GLM_DEVICE Cursor at_unit(const LinearParams& p, int unit, int warp) {
  const int part = unit % p.splits * kLinearWarps + warp;
  const int parts = p.splits * kLinearWarps;
  return {unit, slice_begin(column_blocks(p), part, parts), slice_begin(column_blocks(p), part + 1, parts)};
}
// To the next block that there is: a slice may be empty.
GLM_DEVICE void settle(const LinearParams& p, Cursor& c, int warp) {
  while (c.block >= c.end && c.unit < units(p)) c = at_unit(p, c.unit + simt::blocks(), warp);
}

template <typename F>
GLM_DEVICE void fetch(const LinearParams& p, const Cursor& c, char* queue, int slot) {
  const int thread = simt::thread();
  const int lane = thread % 32;
  const int tile = c.unit / p.splits;
  const char* from = static_cast<const char*>(p.weight.tiles) +
                     (static_cast<int64_t>(tile) * column_blocks(p) + c.block) * (32 * F::kLaneBytes) + lane * 16;
  char* to = queue + static_cast<int64_t>(slot) * Queue<F>::kSlotBytes * kLinearThreads;
#pragma unroll
  for (int i = 0; i < F::kLaneBytes / 16; ++i) {
    simt::copy_async_16_once(to + (i * kLinearThreads + thread) * 16, from + i * 512);
  }
  if constexpr (F::kGroupScaled) {
    const uint32_t* scales =
        p.weight.group_scales +
        ((static_cast<int64_t>(tile) * (p.weight.inner / kGroupInner) + c.block / 2) * 8 + lane / 4) * 2;
    simt::copy_async_8(to + F::kLaneBytes * kLinearThreads + thread * 8, scales);
  }
}

// A thread's share of a block, out of the queue.
template <typename F>
struct Share {
  uint32_t word[F::kLaneBytes / 4];
  uint32_t scale[2];  // of row g and g + 8
};

template <typename F>
GLM_DEVICE Share<F> take(const char* queue, int slot) {
  const int thread = simt::thread();
  const char* from = queue + static_cast<int64_t>(slot) * Queue<F>::kSlotBytes * kLinearThreads;
  Share<F> share;
#pragma unroll
  for (int i = 0; i < F::kLaneBytes / 16; ++i) {
    const simt::Words4 v = simt::load16(from + (i * kLinearThreads + thread) * 16);
#pragma unroll
    for (int k = 0; k < 4; ++k) share.word[4 * i + k] = v.word[k];
  }
  if constexpr (F::kGroupScaled) {
    const auto* scales = reinterpret_cast<const uint32_t*>(from + F::kLaneBytes * kLinearThreads + thread * 8);
    share.scale[0] = scales[0];
    share.scale[1] = scales[1];
  }
  return share;
}

// Bytes 0, 2 or 1, 3 of a word of e4m3 as two bf16: the seven bits of exponent and fraction move to the top of bf16's,
// where they mean 2^-120 of their value; the product with 2^120 is exact.
GLM_DEVICE uint32_t fp8_pair(uint32_t word, int which) {
  const uint32_t high = which == 0 ? word << 8 : word;
  return simt::multiply_bf16x2((high & 0x80008000u) | (high >> 4 & 0x07F007F0u), 0x7B807B80u);
}
// Likewise of int8 kept as value + 128: behind 2^23's exponent a byte is a float's last bits.
GLM_DEVICE uint32_t int8_pair(uint32_t word, int which) {
  const float low = simt::bits_to_float(simt::permute_bytes(word, 0x4B000000u, which == 0 ? 0x7440u : 0x7441u));
  const float high = simt::bits_to_float(simt::permute_bytes(word, 0x4B000000u, which == 0 ? 0x7442u : 0x7443u));
  return simt::pack_bf16(low - 8388736.0f, high - 8388736.0f);
}
// Nibbles i and i + 4 less the row's zero: behind 128's exponent a nibble is a bf16's last bits. zero: 128 + z, twice.
GLM_DEVICE uint32_t int4_pair(uint32_t word, int i, uint32_t zero) {
  return simt::subtract_bf16x2((word >> 4 * i & 0x000F000Fu) | 0x43004300u, zero);
}

template <typename F>
GLM_DEVICE void operand(const Share<F>& share, int j, const uint32_t (&zero)[2], uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (F::kGroupScaled) {
      a[i] = int4_pair(share.word[j], i, zero[i % 2]);
    } else if constexpr (F::kLaneBytes == 64) {
      a[i] = share.word[4 * j + i];
    } else if constexpr (F::kFloat) {
      a[i] = fp8_pair(share.word[2 * j + i / 2], i % 2);
    } else {
      a[i] = int8_pair(share.word[2 * j + i / 2], i % 2);
    }
  }
}

// The sixteen columns of a block that a lane owns, of one batch row; zeros beyond the batch.
GLM_DEVICE void read_x(const LinearParams& p, int row, int block, uint32_t (&x)[8]) {
  if (row < p.batch) {
    const bf16_bits* from = p.x + static_cast<int64_t>(row) * p.x_stride + block * kBlockInner + simt::thread() % 4 * 16;
    const simt::Words4 low = simt::load16(from);
    const simt::Words4 high = simt::load16(from + 8);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      x[k] = low.word[k];
      x[4 + k] = high.word[k];
    }
  } else {
#pragma unroll
    for (int k = 0; k < 8; ++k) x[k] = 0;
  }
}

template <typename F, int kColumns>
GLM_DEVICE void multiply(const Share<F>& share, const uint32_t (&x)[kColumns][8], float (&sums)[kColumns][4]) {
  uint32_t zero[2] = {0, 0};
  if constexpr (F::kGroupScaled) {  // 128 + z in both halves; z is a whole number below 128
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const uint32_t z = simt::pack_bf16(simt::bits_to_float(share.scale[h] & 0xFFFF0000u) + 128.0f, 0.0f) & 0xFFFFu;
      zero[h] = z | z << 16;
    }
  }
  float part[kColumns][4] = {};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    uint32_t a[4];
    operand<F>(share, j, zero, a);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      simt::mma(F::kGroupScaled ? part[c] : sums[c], a, x[c][2 * j], x[c][2 * j + 1]);
    }
  }
  if constexpr (F::kGroupScaled) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        sums[c][k] += simt::bits_to_float(share.scale[k / 2] << 16) * part[c][k];
      }
    }
  }
}

GLM_DEVICE float silu_times(float gate, float up) {  // each step rounded as upstream rounds it
  const float g = simt::round_bf16(gate);
  const float s = simt::round_bf16(simt::divide(g, 1.0f + simt::exponent(-g)));
  return simt::round_bf16(up) * s;
}

// The warps' sums of the 8 batch rows from `column` on, added in order and written. One warp does it.
template <typename F>
GLM_DEVICE void finish(const LinearParams& p, int unit, int column, const float* exchange) {
  const int lane = simt::thread() % 32;
  const int row = 4 * (lane % 4);  // of the tile
  const int column_in_8 = lane / 4;
  float sum[4] = {0, 0, 0, 0};
#pragma unroll
  for (int w = 0; w < kLinearWarps; ++w) {
    const float* own = exchange + (w * 8 + column_in_8) * kColumnStride + row;
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[k] += own[k];
  }
  const int tile = unit / p.splits;
  if constexpr (F::kRowScaled) {
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[k] *= p.weight.row_scales[tile * kTileRows + row + k];
  }
  const int batch_row = column + column_in_8;
  if (p.sums != nullptr) {
    if (batch_row >= p.batch) return;
    float* to =
        p.sums + (static_cast<int64_t>(unit % p.splits) * p.batch + batch_row) * p.weight.rows + tile * kTileRows + row;
    simt::store16(to, {{simt::float_to_bits(sum[0]), simt::float_to_bits(sum[1]), simt::float_to_bits(sum[2]),
                        simt::float_to_bits(sum[3])}});
    return;
  }
  // Lanes with rows 0 … 7 hold the gate, the ones two further on the same numbers' up.
  float up[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) up[k] = simt::shuffle_xor(sum[k], 2);
  if (row >= 8 || batch_row >= p.batch) return;
  bf16_bits* to = p.activated + static_cast<int64_t>(batch_row) * p.activated_stride + tile * 8 + row;
  auto* words = reinterpret_cast<uint32_t*>(to);
  words[0] = simt::pack_bf16(silu_times(sum[0], up[0]), silu_times(sum[1], up[1]));
  words[1] = simt::pack_bf16(silu_times(sum[2], up[2]), silu_times(sum[3], up[3]));
}

template <typename F, int kColumns>
GLM_DEVICE void linear(const LinearParams& p) {
  constexpr int kDepth = Queue<F>::kDepth;
  char* const queue = simt::shared();
  auto* const exchange = reinterpret_cast<float*>(simt::shared() + kQueueBytes);
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;

  simt::let_next_kernel_begin();
  Cursor ahead = at_unit(p, simt::block().x, warp);
  settle(p, ahead, warp);
  int fill = 0;  // the slot that is filled next
#pragma unroll 1
  for (; fill < kDepth - 1; ++fill) {
    if (ahead.unit < units(p)) {
      fetch<F>(p, ahead, queue, fill);
      ++ahead.block;
      settle(p, ahead, warp);
    }
    simt::copy_async_commit();
  }
  simt::wait_for_previous_kernel();

  int slot = 0;
  int turn = 0;
#pragma unroll 1
  for (int unit = simt::block().x; unit < units(p); unit += simt::blocks()) {
    const Cursor own = at_unit(p, unit, warp);
    float sums[kColumns][4] = {};
    uint32_t x[kColumns][8];
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (own.block < own.end) read_x(p, 8 * c + lane / 4, own.block, x[c]);
    }
#pragma unroll 1
    for (int block = own.block; block < own.end; ++block) {
      uint32_t next[kColumns][8];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        read_x(p, 8 * c + lane / 4, block + 1 < own.end ? block + 1 : block, next[c]);
      }
      simt::copy_async_wait<kDepth - 2>();
      const Share<F> share = take<F>(queue, slot);
      // Into the slot that was taken in the turn before: its words have gone through the products since.
      if (ahead.unit < units(p)) {
        fetch<F>(p, ahead, queue, fill);
        ++ahead.block;
        settle(p, ahead, warp);
      }
      simt::copy_async_commit();
      fill = fill + 1 == kDepth ? 0 : fill + 1;
      slot = slot + 1 == kDepth ? 0 : slot + 1;
      multiply<F, kColumns>(share, x, sums);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
#pragma unroll
        for (int k = 0; k < 8; ++k) x[c][k] = next[c][k];
      }
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c, ++turn) {
      // Two exchanges take turns: who reads one has passed the next barrier before it is written again.
      float* const mine = exchange + turn % 2 * kExchangeFloats;
      const int column = 2 * (lane % 4);
      float* const to = mine + (warp * 8 + column) * kColumnStride + lane / 4;
      to[0] = sums[c][0];
      to[kColumnStride] = sums[c][1];
      to[8] = sums[c][2];
      to[kColumnStride + 8] = sums[c][3];
      simt::sync();
      if (warp == turn % kLinearWarps) finish<F>(p, unit, 8 * c, mine);
    }
  }
}

}  // namespace glm::cuda
