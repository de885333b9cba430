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

constexpr int kLinearWarpBits = 3;
constexpr int kLinearWarps = 1 << kLinearWarpBits;
constexpr int kLinearThreads = 32 * kLinearWarps;
constexpr int kColumnStride = 20;  // of a column's 16 sums in shared memory: no two lanes meet in a bank

// A turn is what a thread waits for and multiplies at a time. Narrow formats spend longer on a byte, so two thread
// blocks share a multiprocessor, each with a queue half as long.
template <typename F, int kColumns>
struct Turn {
  static constexpr bool kWide = F::kLaneBytes == 64;
  static constexpr int kBlocks = F::kGroupScaled && kColumns == 1 ? 2 : 1;  // of 64 columns
  static constexpr int kPieces = F::kLaneBytes / 16;                        // of sixteen bytes, a block's
  static constexpr int kScaleBytes = F::kGroupScaled ? 8 : 0;
  static constexpr int kSlotBytes = kBlocks * (F::kLaneBytes + kScaleBytes);  // a thread's
  static constexpr int kBlocksPerProcessor = kWide ? 1 : 2;
  static constexpr int kRegisters =  // so that the kernels beside it find room
      kColumns == 2     ? 128
      : kWide           ? 80
      : F::kGroupScaled ? 88
                        : 64;
  static constexpr int kQueueBytes = (kWide ? 80 : 40) * 1024;
  static constexpr int kDepth = kQueueBytes / (kLinearThreads * kSlotBytes);
};

constexpr int kExchangeFloats = kLinearWarps * 8 * kColumnStride;  // the warps' sums of 8 columns

// Bytes have a second way to x where each thread block has one unit alone, and so never meets the same numbers again in
// the first cache: a small x is copied to shared memory at once, one wait for the second cache instead of one a turn.
constexpr int kStagedNumbers = 14 * 1024;
constexpr int kRowPadding = 8;  // numbers: the rows' parts that eight lanes read at a time lie in different banks

template <typename F>
constexpr bool stages_x(const LinearParams& p, int thread_blocks) {
  return F::kRowScaled && p.batch * p.weight.inner <= kStagedNumbers &&
         p.weight.rows / kTileRows * p.splits <= thread_blocks;
}
template <typename F>
constexpr int linear_shared_bytes(const LinearParams& p, int thread_blocks) {
  return Turn<F, 1>::kQueueBytes + 2 * kExchangeFloats * 4 +
         (stages_x<F>(p, thread_blocks) ? p.batch * (p.weight.inner + kRowPadding) * 2 : 0);
}

// A launch's work: units are the splits of each tile, in order. splits is a power of two, so that nothing is divided.
struct Work {
  int blocks;      // of 64 columns, in a row of the weight
  int split_bits;  // log2(splits)
  int units;
};

GLM_DEVICE Work work_of(const LinearParams& p) {
  Work w{p.weight.inner / kBlockInner, 0, p.weight.rows / kTileRows * p.splits};
  while (1 << w.split_bits < p.splits) ++w.split_bits;
  return w;
}

// Where a warp stands in its slices of the block's units.
struct Cursor {
  int unit, block, end;
};

GLM_DEVICE Cursor at_unit(const Work& w, int unit, int warp) {
  const int part = (unit & ((1 << w.split_bits) - 1)) * kLinearWarps + warp;
  const int bits = w.split_bits + kLinearWarpBits;
  return {unit, w.blocks * part >> bits, w.blocks * (part + 1) >> bits};
}
// To the next block that there is: a slice may be empty.
GLM_DEVICE void settle(const Work& w, Cursor& c, int warp) {
  while (c.block >= c.end && c.unit < w.units) c = at_unit(w, c.unit + simt::blocks(), warp);
}

// Queues a turn's weights, moves the cursor on.
template <typename F, typename T>
GLM_DEVICE void fetch(const LinearParams& p, const Work& w, Cursor& c, char* queue, int slot, int warp) {
  if (c.unit < w.units) {
    const int thread = simt::thread();
    const int lane = thread % 32;
    const int tile = c.unit >> w.split_bits;
    const char* from = static_cast<const char*>(p.weight.tiles) +
                       (static_cast<int64_t>(tile) * w.blocks + c.block) * (32 * F::kLaneBytes) + lane * 16;
    char* to = queue + slot * (T::kSlotBytes * kLinearThreads) + thread * 16;
#pragma unroll
    for (int i = 0; i < T::kBlocks; ++i) {
      if (c.block + i < c.end) {
#pragma unroll
        for (int k = 0; k < T::kPieces; ++k) {
          simt::copy_async_16(to + (i * T::kPieces + k) * (16 * kLinearThreads), from + (i * T::kPieces + k) * 512);
        }
        if constexpr (F::kGroupScaled) {
          const uint32_t* scales =
              p.weight.group_scales +
              ((static_cast<int64_t>(tile) * (w.blocks / 2) + (c.block + i) / 2) * 8 + lane / 4) * 2;
          simt::copy_async_8(to - thread * 8 + T::kBlocks * F::kLaneBytes * kLinearThreads + i * (8 * kLinearThreads),
                             scales);
        }
      }
    }
    c.block += T::kBlocks;
    settle(w, c, warp);
  }
  simt::copy_async_commit();
}

// A thread's share of a block, out of the queue.
template <typename F>
struct Share {
  uint32_t word[F::kLaneBytes / 4];
  uint32_t scale[2];  // of row g and g + 8
};

template <typename F, typename T>
GLM_DEVICE Share<F> take(const char* queue, int slot, int block_of_turn) {
  const int thread = simt::thread();
  const char* from = queue + slot * (T::kSlotBytes * kLinearThreads);
  Share<F> share;
#pragma unroll
  for (int k = 0; k < T::kPieces; ++k) {
    const simt::Words4 v = simt::load16(from + ((block_of_turn * T::kPieces + k) * kLinearThreads + thread) * 16);
#pragma unroll
    for (int j = 0; j < 4; ++j) share.word[4 * k + j] = v.word[j];
  }
  if constexpr (F::kGroupScaled) {
    const auto* scales = reinterpret_cast<const uint32_t*>(from + T::kBlocks * F::kLaneBytes * kLinearThreads +
                                                           (block_of_turn * kLinearThreads + thread) * 8);
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

// Where the rows of x are read from: device memory, or a copy in shared memory.
struct Rows {
  const bf16_bits* first;
  int stride;
};

GLM_DEVICE Rows stage_x(const LinearParams& p, char* memory) {
  auto* const to = reinterpret_cast<bf16_bits*>(memory);
  const int stride = p.weight.inner + kRowPadding;
  for (int row = 0; row < p.batch; ++row) {
    for (int i = 8 * simt::thread(); i < p.weight.inner; i += 8 * kLinearThreads) {
      simt::store16(to + row * stride + i, simt::load16(p.x + static_cast<int64_t>(row) * p.x_stride + i));
    }
  }
  simt::sync();
  return {to, stride};
}

// The sixteen columns of a block that a lane owns, of one batch row. Columns of the product beyond the batch repeat its
// last row: nothing reads them, and no lane goes a way of its own.
GLM_DEVICE void read_x(const LinearParams& p, const Rows& x, int row, int block, uint32_t (&to)[8]) {
  const bf16_bits* from = x.first + static_cast<int64_t>(row < p.batch ? row : p.batch - 1) * x.stride +
                          block * kBlockInner + simt::thread() % 4 * 16;
  const simt::Words4 low = simt::load16(from);
  const simt::Words4 high = simt::load16(from + 8);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    to[k] = low.word[k];
    to[4 + k] = high.word[k];
  }
}

// sums: two chains of products, which take turns, so that one need not wait for the other.
template <typename F, int kColumns>
GLM_DEVICE void multiply(const Share<F>& share, const uint32_t (&x)[kColumns][8], float (&sums)[2][kColumns][4]) {
  uint32_t zero[2] = {0, 0};
  if constexpr (F::kGroupScaled) {  // 128 + z in both halves; z is a whole number below 128
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const uint32_t z = simt::pack_bf16(simt::bits_to_float(share.scale[h] & 0xFFFF0000u) + 128.0f, 0.0f) & 0xFFFFu;
      zero[h] = z | z << 16;
    }
  }
  float part[2][kColumns][4] = {};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    uint32_t a[4];
    operand<F>(share, j, zero, a);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      simt::mma(F::kGroupScaled ? part[j % 2][c] : sums[j % 2][c], a, x[c][2 * j], x[c][2 * j + 1]);
    }
  }
  if constexpr (F::kGroupScaled) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        sums[0][c][k] += simt::bits_to_float(share.scale[k / 2] << 16) * (part[0][c][k] + part[1][c][k]);
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
GLM_DEVICE void finish(const LinearParams& p, const Work& w, int unit, int column, const float* exchange) {
  const int lane = simt::thread() % 32;
  const int row = 4 * (lane % 4);  // of the tile
  const int column_in_8 = lane / 4;
  float sum[4] = {0, 0, 0, 0};
#pragma unroll
  for (int k = 0; k < kLinearWarps; ++k) {
    const float* own = exchange + (k * 8 + column_in_8) * kColumnStride + row;
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += own[i];
  }
  const int tile = unit >> w.split_bits;
  const int split = unit & ((1 << w.split_bits) - 1);
  if constexpr (F::kRowScaled) {
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[k] *= p.weight.row_scales[tile * kTileRows + row + k];
  }
  const int batch_row = column + column_in_8;
  if (p.sums != nullptr) {
    if (batch_row >= p.batch) return;
    float* to = p.sums + (static_cast<int64_t>(split) * p.batch + batch_row) * p.weight.rows + tile * kTileRows + row;
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

// The thread block's units, from the queue that `fetch` has begun to fill.
template <typename F, int kColumns>
GLM_DEVICE void products(const LinearParams& p, const Work& w, const Rows& rows, Cursor ahead, char* queue,
                         float* exchange) {
  using T = Turn<F, kColumns>;
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  int fill = T::kDepth - 1;
  int slot = 0;
  int exchanges = 0;
#pragma unroll 1
  for (int unit = simt::block().x; unit < w.units; unit += simt::blocks()) {
    const Cursor own = at_unit(w, unit, warp);
    float sums[2][kColumns][4] = {};
    const auto read = [&](int block, uint32_t(&to)[T::kBlocks][kColumns][8]) {
#pragma unroll
      for (int i = 0; i < T::kBlocks; ++i) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          read_x(p, rows, 8 * c + lane / 4, block + i < own.end ? block + i : 0, to[i][c]);
        }
      }
    };
    uint32_t x[T::kBlocks][kColumns][8];
    read(own.block, x);
#pragma unroll 1
    for (int block = own.block; block < own.end; block += T::kBlocks) {
      uint32_t next[T::kBlocks][kColumns][8];
      read(block + T::kBlocks, next);
      simt::copy_async_wait<T::kDepth - 2>();
      Share<F> share[T::kBlocks];
#pragma unroll
      for (int i = 0; i < T::kBlocks; ++i) share[i] = take<F, T>(queue, slot, i);
      // Into the slot of the turn before: its words have gone through the products since.
      fetch<F, T>(p, w, ahead, queue, fill, warp);
      fill = fill + 1 == T::kDepth ? 0 : fill + 1;
      slot = slot + 1 == T::kDepth ? 0 : slot + 1;
#pragma unroll
      for (int i = 0; i < T::kBlocks; ++i) {
        if (block + i < own.end) multiply<F, kColumns>(share[i], x[i], sums);
      }
#pragma unroll
      for (int i = 0; i < T::kBlocks; ++i) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
#pragma unroll
          for (int k = 0; k < 8; ++k) x[i][c][k] = next[i][c][k];
        }
      }
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c, ++exchanges) {
      // Two exchanges take turns: who reads one has passed the next barrier before it is written again.
      float* const mine = exchange + exchanges % 2 * kExchangeFloats;
      const int column = 2 * (lane % 4);
      float* const to = mine + (warp * 8 + column) * kColumnStride + lane / 4;
      to[0] = sums[0][c][0] + sums[1][c][0];
      to[kColumnStride] = sums[0][c][1] + sums[1][c][1];
      to[8] = sums[0][c][2] + sums[1][c][2];
      to[kColumnStride + 8] = sums[0][c][3] + sums[1][c][3];
      simt::sync();
      if (warp == exchanges % kLinearWarps) finish<F>(p, w, unit, 8 * c, mine);
    }
  }
}

template <typename F, int kColumns>
GLM_DEVICE void linear(const LinearParams& p) {
  using T = Turn<F, kColumns>;
  char* const queue = simt::shared();
  auto* const exchange = reinterpret_cast<float*>(simt::shared() + T::kQueueBytes);
  const int warp = simt::thread() / 32;
  const Work w = work_of(p);

  simt::let_next_kernel_begin();
  Cursor ahead = at_unit(w, simt::block().x, warp);
  settle(w, ahead, warp);
#pragma unroll 1
  for (int slot = 0; slot < T::kDepth - 1; ++slot) fetch<F, T>(p, w, ahead, queue, slot, warp);
  simt::wait_for_previous_kernel();

  if constexpr (F::kRowScaled && kColumns == 1) {
    if (stages_x<F>(p, simt::blocks())) {
      products<F, kColumns>(p, w, stage_x(p, simt::shared() + T::kQueueBytes + 2 * kExchangeFloats * 4), ahead, queue,
                            exchange);
      return;
    }
  }
  products<F, kColumns>(p, w, {p.x, p.x_stride}, ahead, queue, exchange);
}

}  // namespace glm::cuda
