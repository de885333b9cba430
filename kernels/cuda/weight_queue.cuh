// What the products of a launch read, and each warp's queue of it: weights on their way into shared memory.
#pragma once

#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/parameters.h"

namespace glm::cuda {

constexpr int kWarpBits = 3;
static_assert(kWarps == 1 << kWarpBits);

// A turn is what a thread waits for and multiplies at a time: of int4 the columns that share a scale.
template <typename F, int kQueueBytes>
struct Turn {
  static constexpr int kBlocks = F::kGroupScaled ? kGroupInner / kBlockInner : 1;  // of 64 columns
  static constexpr int kTileBytes = kBlocks * F::kLaneBytes;                       // a thread's
  static constexpr int kSlotBytes = kTileBytes + (F::kGroupScaled ? 8 : 0);
  static constexpr int kDepth = kQueueBytes / (kThreads * kSlotBytes);
  static_assert(kDepth >= 2);
};

// What a launch's products read, one after another: a product's units are the splits of each tile, in order.
struct Stream {
  const char* tiles;
  const uint32_t* group_scales;
  int turns;       // of a tile
  int split_bits;  // log2(splits): a power of two, so that nothing is divided
  int units;
  int unused;
};

constexpr Stream stream_of(const LinearParams& p) {
  const int inner_of_turn = with_format(
      p.weight.format, [](auto row) { return decltype(row)::kGroupScaled ? kGroupInner : kBlockInner; });
  Stream s{static_cast<const char*>(p.weight.tiles), p.weight.group_scales,
           p.weight.inner / inner_of_turn,           0,
           p.weight.rows / kTileRows * p.splits,     0};
  while (1 << s.split_bits < p.splits) ++s.split_bits;
  return s;
}

// A warp's turns of a unit.
struct Slice {
  int tile, begin, end;
};

GLM_DEVICE Slice slice_of(const Stream& s, int unit) {
  const int part = (unit & ((1 << s.split_bits) - 1)) * kWarps + simt::thread() / 32;
  const int bits = s.split_bits + kWarpBits;
  return {unit >> s.split_bits, s.turns * part >> bits, s.turns * (part + 1) >> bits};
}

// Where a warp's queue stands between two products: registers are for the calls between them.
struct Place {
  int stream, unit, left;  // what is to be asked for next: so many turns of a unit's slice
  int oldest;              // the slot of the oldest turn that is on its way, in bytes
};

// A turn that has come: a thread's first sixteen bytes of it, and its scales.
struct Turned {
  const char* tile;
  const char* scales;
};

// A thread's weights on their way: of all the launch's products, one after another.
template <typename F, int kQueueBytes>
class Queue {
 public:
  using T = Turn<F, kQueueBytes>;

  // memory: kQueueBytes, the team's
  GLM_DEVICE Queue(const Stream* streams, int count, char* memory)
      : streams_(streams),
        count_(count),
        memory_(memory + simt::thread() * 16),
        scale_memory_(memory + T::kTileBytes * kThreads + simt::thread() * 8) {}
  GLM_DEVICE void begin() {
    unit_ = team_place() - team_count();
    advance();
#pragma unroll 1
    for (int i = 0; i < T::kDepth - 1; ++i) fetch(i * kSlot);
  }
  GLM_DEVICE void leave(Place& place) const {
    simt::sync_warp();  // all lanes have resumed from it
    if (simt::thread() % 32 == 0) place = {stream_, unit_, left_, oldest_};
  }
  GLM_DEVICE void resume(const Place& place) {
    stream_ = place.stream;
    unit_ = place.unit;
    left_ = place.left;
    oldest_ = place.oldest;
    free_ = (oldest_ == 0 ? kEnd : oldest_) - kSlot;
    if (left_ > 0) point();
  }

  // Waits for the oldest turn, which stays where it is until the next call, and asks for another: into the slot of the
  // turn before, whose words have gone through the products since.
  GLM_DEVICE Turned next() {
    simt::copy_async_wait<T::kDepth - 2>();
    fetch(free_);
    free_ = oldest_;
    oldest_ += kSlot;
    if (oldest_ == kEnd) oldest_ = 0;
    return {memory_ + free_, scale_memory_ + free_};
  }

 private:
  static constexpr int kSlot = T::kSlotBytes * kThreads;
  static constexpr int kEnd = T::kDepth * kSlot;

  // At the first turn that is left of the unit's slice.
  GLM_DEVICE void point() {
    const Stream& s = streams_[stream_];
    const Slice slice = slice_of(s, unit_);
    const int lane = simt::thread() % 32;
    const int64_t turn = static_cast<int64_t>(slice.tile) * s.turns + slice.end - left_;
    from_ = s.tiles + turn * (32 * T::kTileBytes) + lane * 16;
    if constexpr (F::kGroupScaled) scales_ = s.group_scales + (turn * 8 + lane / 4) * 2;
  }

  // From the end of a slice to the next that isn't empty.
  GLM_DEVICE void advance() {
    while (left_ == 0 && stream_ < count_) {
      const Stream& s = streams_[stream_];
      unit_ += team_count();
      if (unit_ < s.units) {
        const Slice slice = slice_of(s, unit_);
        left_ = slice.end - slice.begin;
      } else {
        ++stream_;
        unit_ = team_place() - team_count();
      }
    }
    if (left_ > 0) point();
  }

  GLM_DEVICE void fetch(int slot) {
    if (left_ > 0) {
#pragma unroll
      for (int k = 0; k < T::kTileBytes / 16; ++k) {
        simt::copy_async_16(memory_ + slot + k * (16 * kThreads), from_ + k * 512);
      }
      from_ += 32 * T::kTileBytes;
      if constexpr (F::kGroupScaled) {
        simt::copy_async_8(scale_memory_ + slot, scales_);
        scales_ += 16;
      }
      if (--left_ == 0) advance();
    }
    simt::copy_async_commit();
  }

  const Stream* streams_;
  int count_;
  char* memory_;  // this thread's first sixteen bytes of the first slot
  char* scale_memory_;
  const char* from_ = nullptr;
  const uint32_t* scales_ = nullptr;
  int stream_ = 0, unit_ = 0, left_ = 0;
  int oldest_ = 0, free_ = kEnd - kSlot;  // slots, in bytes
};

}  // namespace glm::cuda
