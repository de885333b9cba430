// y = W x for 1 to 16 rows x, at the speed of reading W. Upstream: torch.nn.Linear
//
// A team of 8 warps works on a tile of 16 weight rows at a time, and a warp on an eighth of its columns, by tensor-core
// products of the tile with 8 (kColumns = 1) or 16 batch rows. Each thread has a queue of its own weights on their way
// into shared memory, kDepth portions deep. It goes on over tile after tile and into the products that follow in the
// launch: weights depend on nothing, so memory is read even while blocks wait for each other. The queue needs no
// barrier, because a thread reads only what it copied itself.
//
// A row's sum is taken in an order that depends on the weight's shape and `splits` alone, so it has the same bits
// whatever shares its batch.
#pragma once

#include "kernels/cuda/weight_queue.cuh"

namespace glm::cuda {

constexpr int kColumnStride = 20;  // numbers from one column's 16 sums to the next; no two lanes meet in a bank
constexpr int kExchangeFloats = kWarps * 8 * kColumnStride;  // the warps' sums of 8 columns

// A thread's share of a block, taken out of its slot of the queue.
template <typename F>
struct Share {
  uint32_t word[F::kLaneBytes / 4];
};

template <typename F>
GLM_DEVICE Share<F> take(const char* tile, int block_of_portion) {
  constexpr int kPieces = F::kLaneBytes / 16;
  Share<F> share;
#pragma unroll
  for (int k = 0; k < kPieces; ++k) {
    const simt::Words4 v = simt::load16(tile + (block_of_portion * kPieces + k) * (16 * kThreads));
#pragma unroll
    for (int j = 0; j < 4; ++j) share.word[4 * k + j] = v.word[j];
  }
  return share;
}

// A format's operands, in formats/: word(words, j, i, beside) makes word i of step j (formats.h) out of a lane's share
// of a block. `beside` is exponents_of<F>(), which a register holds where that saves instructions; int4 uses it. For a
// checkpoint's codes it is Operand<F>::Scales, made from the scales of the lane's group and from those exponents.
template <typename F>
struct Operand;

// Two numbers whose last bits count from them on: bf16 of 128, or fp16 of 1024.
template <typename F>
constexpr uint32_t exponents_of() {
  return F::kCoded ? 0x64006400u : 0x43004300u;
}

template <typename F, typename Beside>
GLM_DEVICE void operand(const Share<F>& share, int j, const Beside& beside, uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = Operand<F>::word(share.word, j, i, beside);
}

template <typename F>
GLM_DEVICE auto beside(const Arrived& portion, uint32_t exponents) {
  if constexpr (F::kCoded) {
    return typename Operand<F>::Scales(portion.scales, exponents);
  } else {
    return exponents;
  }
}

// x in a lane's sixteen columns of a block, in one batch row of each eight.
template <int kColumns>
struct XShare {
  uint32_t word[kColumns][8];
};

template <int kColumns>
GLM_DEVICE XShare<kColumns> read_x(const bf16_bits* const (&rows)[kColumns], int block) {
  XShare<kColumns> x;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const simt::Words4 v = simt::load16(rows[c] + block * kBlockInner + 8 * half);
#pragma unroll
      for (int k = 0; k < 4; ++k) x.word[c][4 * half + k] = v.word[k];
    }
  }
  return x;
}

// A small x is copied to shared memory as a whole, so that there is one wait for it instead of one for each portion.
constexpr int kRowPadding = 8;  // numbers between rows, so that what eight lanes read at a time lies in different banks
constexpr int kStagedBytes = (kStagedNumbers + 8 * kRowPadding) * 2;

GLM_DEVICE bool stages_x(const LinearParams& p) {
  return p.batch * p.weight.inner <= kStagedNumbers && p.batch <= 8;
}

template <int kTeams>
GLM_DEVICE void stage_x(const LinearParams& p, bf16_bits* to) {
  constexpr int kAtOnce = 4;
  for (int row = 0; row < p.batch; ++row) {
#pragma unroll 1
    for (int first = 8 * simt::block_thread(); first < p.weight.inner; first += 8 * kTeams * kThreads * kAtOnce) {
      simt::Words4 v[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int column = first + i * (8 * kTeams * kThreads);
        if (column < p.weight.inner) v[i] = simt::load16(p.x + static_cast<int64_t>(row) * p.x_stride + column);
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int column = first + i * (8 * kTeams * kThreads);
        if (column < p.weight.inner) simt::store16(to + row * (p.weight.inner + kRowPadding) + column, v[i]);
      }
    }
  }
  simt::sync();
}

// Multiplies a portion. `sums` are two chains of products, used alternately so that one need not wait for the other.
// load_x(block) returns the XShare of a block.
template <typename F, int kColumns, int kBlocks, typename XOf>
GLM_DEVICE void multiply(const Arrived& portion, const XOf& load_x, uint32_t exponents, float (&sums)[2][kColumns][4]) {
#pragma unroll
  for (int block = 0; block < kBlocks; ++block) {
    const XShare<kColumns> x = load_x(block);
    const Share<F> share = take<F>(portion.tile, block);
    const auto scales = beside<F>(portion, exponents);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      uint32_t a[4];
      operand<F>(share, j, scales, a);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) simt::mma(sums[j % 2][c], a, x.word[c][2 * j], x.word[c][2 * j + 1]);
    }
  }
}

// Multiplies a portion of int4, which is one group. One chain of products sums (128 + code) x; another, whose weights
// are ones, sums x. The sum of scale * (code - zero) x is then scale * (the first - (128 + zero) * the second).
template <typename F, int kColumns, typename XOf>
GLM_DEVICE void multiply_group(const Arrived& portion, const XOf& load_x, uint32_t exponents,
                               float (&sums)[2][kColumns][4]) {
  constexpr uint32_t kOnes[4] = {0x3F803F80u, 0x3F803F80u, 0x3F803F80u, 0x3F803F80u};
  float part[kColumns][4] = {};
  float of_x[kColumns][4] = {};
#pragma unroll
  for (int block = 0; block < kGroupInner / kBlockInner; ++block) {
    const XShare<kColumns> x = load_x(block);
    const Share<F> share = take<F>(portion.tile, block);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      uint32_t a[4];
      operand<F>(share, j, exponents, a);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        simt::mma(part[c], a, x.word[c][2 * j], x.word[c][2 * j + 1]);
        simt::mma(of_x[c], kOnes, x.word[c][2 * j], x.word[c][2 * j + 1]);
      }
    }
  }
  const simt::Words2 scales = simt::load8(portion.scales);  // rows g and g + 8
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const float scale = simt::bits_to_float(scales.word[h] << 16);
    const float zero = simt::bits_to_float(scales.word[h] & 0xFFFF0000u) + 128.0f;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
#pragma unroll
      for (int k = 2 * h; k < 2 * h + 2; ++k) sums[0][c][k] += scale * (part[c][k] - zero * of_x[c][k]);
    }
  }
}

GLM_DEVICE float silu_times(float gate, float up) {  // each step rounded as upstream rounds it
  const float g = simt::round_bf16(gate);
  const float s = simt::round_bf16(simt::divide(g, 1.0f + simt::exponent(-g)));
  return simt::round_bf16(up) * s;
}

// Adds the warps' sums in order and writes them, for the 8 batch rows from `column` on. One warp does it.
template <typename F>
GLM_DEVICE void finish(const LinearParams& p, int tile, int split, int column, const simt::Words4& row_scales,
                       const float* exchange) {
  const int lane = simt::thread() % 32;
  const int row = 4 * (lane % 4);  // of the tile
  const int column_in_8 = lane / 4;
  float sum[4] = {0, 0, 0, 0};
#pragma unroll
  for (int k = 0; k < kWarps; ++k) {
    const float* own = exchange + (k * 8 + column_in_8) * kColumnStride + row;
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += own[i];
  }
  if constexpr (F::kRowScaled) {
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[k] *= simt::bits_to_float(row_scales.word[k]);
  }
  const int batch_row = column + column_in_8;
  if (p.sums != nullptr) {
    if (batch_row >= p.batch) return;
    float* to = p.sums + (static_cast<int64_t>(split) * p.batch + batch_row) * p.sums_stride + tile * kTileRows + row;
    simt::store16(to, {{simt::float_to_bits(sum[0]), simt::float_to_bits(sum[1]), simt::float_to_bits(sum[2]),
                        simt::float_to_bits(sum[3])}});
    return;
  }
  // Lanes with the rows 0 … 7 hold the gate, and the lanes two further on hold the up of the same features.
  float up[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) up[k] = simt::shuffle_xor(sum[k], 2);
  if (row >= 8 || batch_row >= p.batch) return;
  bf16_bits* to = p.activated + static_cast<int64_t>(batch_row) * p.activated_stride + tile * 8 + row;
  auto* words = reinterpret_cast<uint32_t*>(to);
  words[0] = simt::pack_bf16(silu_times(sum[0], up[0]), silu_times(sum[1], up[1]));
  words[1] = simt::pack_bf16(silu_times(sum[2], up[2]), silu_times(sum[3], up[3]));
}

// Sums a unit over this warp's slice. kStaged: x lies in shared memory. Otherwise x is loaded from device memory a
// portion ahead, where there are registers for it.
template <typename F, int kColumns, bool kStaged, int kQueueBytes>
GLM_DEVICE void multiply_slice(const Slice& own, const bf16_bits* const (&rows)[kColumns], Queue<F, kQueueBytes>& queue,
                               float (&sums)[2][kColumns][4]) {
  constexpr int kBlocks = Portion<F, kQueueBytes>::kBlocks;
  constexpr bool kAhead = !kStaged && kBlocks * kColumns == 1;
  constexpr int kTimes = kStaged || kAhead ? 2 : 1;
  constexpr uint32_t kExponents = exponents_of<F>();
  [[maybe_unused]] const uint32_t exponents = kColumns == 1 || F::kCoded ? simt::opaque(kExponents) : kExponents;
  [[maybe_unused]] XShare<kColumns> ahead[2];
  if (kAhead && own.begin < own.end) ahead[0] = read_x(rows, own.begin);
#pragma unroll 1
  for (int portion = own.begin; portion < own.end; portion += kTimes) {
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      if (i == 1 && portion + 1 == own.end) break;
      if constexpr (kAhead) {
        ahead[1 - i] = read_x(rows, portion + i + 1 < own.end ? portion + i + 1 : own.begin);
        multiply<F, kColumns, kBlocks>(
            queue.next(), [&](int) { return ahead[i]; }, exponents, sums);
      } else {
        const auto load_x = [&](int block) { return read_x(rows, (portion + i) * kBlocks + block); };
        if constexpr (F::kScaleBytes > 0 && !F::kCoded) {
          multiply_group<F, kColumns>(queue.next(), load_x, exponents, sums);
        } else {
          multiply<F, kColumns, kBlocks>(queue.next(), load_x, exponents, sums);
        }
      }
    }
  }
}

template <typename F, int kColumns, bool kStaged, int kQueueBytes>
GLM_DEVICE void multiply_units(const LinearParams& p, const Stream& stream, const bf16_bits* x, int x_stride,
                               Queue<F, kQueueBytes>& queue, float* exchange) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  // Where the lane's columns of x begin. Columns of the product beyond the batch repeat its last row: nothing reads
  // them, and so all lanes do the same.
  const bf16_bits* rows[kColumns];
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    const int row = 8 * c + lane / 4;
    rows[c] = x + static_cast<int64_t>(row < p.batch ? row : p.batch - 1) * x_stride + lane % 4 * 16;
  }
  int exchanges = 0;
#pragma unroll 1
  for (int unit = team_place(); unit < stream.units; unit += team_count()) {
    const int tile = unit >> stream.split_bits;
    simt::Words4 row_scales = {};  // loaded now, because it takes long and all warps wait for the one that finishes
    if constexpr (F::kRowScaled) {
      if (static_cast<unsigned>(warp - exchanges) % kWarps < kColumns) {
        row_scales = simt::load16(p.weight.row_scales + tile * kTileRows + 4 * (lane % 4));
      }
    }
    float sums[2][kColumns][4] = {};
    multiply_slice<F, kColumns, kStaged>(slice_of(stream, unit), rows, queue, sums);
#pragma unroll
    for (int c = 0; c < kColumns; ++c, ++exchanges) {
      // Two exchanges are used alternately: whoever reads one has passed the next barrier before it is written again.
      float* const mine = exchange + exchanges % 2 * kExchangeFloats;
      const int column = 2 * (lane % 4);
      float* const to = mine + (warp * 8 + column) * kColumnStride + lane / 4;
      to[0] = sums[0][c][0] + sums[1][c][0];
      to[kColumnStride] = sums[0][c][1] + sums[1][c][1];
      to[8] = sums[0][c][2] + sums[1][c][2];
      to[kColumnStride + 8] = sums[0][c][3] + sums[1][c][3];
      simt::sync_team();
      if (warp == exchanges % kWarps) {
        finish<F>(p, tile, unit & ((1 << stream.split_bits) - 1), 8 * c, row_scales, mine);
      }
    }
  }
}

template <int kTeams>
struct LinearShared {
  float exchange[kTeams][2 * kExchangeFloats];
  alignas(16) bf16_bits x[kStagedBytes / 2];
};

// Computes this block's part of one product. stream: the product's weights, at whose beginning the queue stands.
// x_is_there: a norm has written x to s.x, and the block's threads have waited for each other since then.
template <typename F, int kColumns, int kQueueBytes, int kTeams>
GLM_DEVICE void linear(const LinearParams& p, const Stream& stream, bool x_is_there, Queue<F, kQueueBytes>& queue,
                       LinearShared<kTeams>& s, GridBarrier& barrier) {
  float* const exchange = s.exchange[simt::team()];
  barrier.wait();
  if constexpr (kColumns == 1) {
    if (x_is_there || stages_x(p)) {
      if (!x_is_there) stage_x<kTeams>(p, s.x);
      multiply_units<F, kColumns, true>(p, stream, s.x, p.weight.inner + kRowPadding, queue, exchange);
      return;
    }
  }
  multiply_units<F, kColumns, false>(p, stream, p.x, p.x_stride, queue, exchange);
}

}  // namespace glm::cuda
