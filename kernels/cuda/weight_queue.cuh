// The weights that a launch's products read, and each thread's queue of them on their way into shared memory.
#pragma once

#include "kernels/cuda/grid_barrier.cuh"
#include "kernels/cuda/parameters.h"

namespace glm::cuda {

constexpr int kWarpBits = 3;
static_assert(kWarps == 1 << kWarpBits);

// A portion is what a thread waits for and multiplies at a time: a block, or for int4 the two that share their scales.
template <typename F>
constexpr int blocks_of_portion() {
  return F::kScaleBytes > 0 && !F::kCoded ? kGroupInner / kBlockInner : 1;
}
template <typename F, int kQueueBytes>
struct Portion {
  static constexpr int kBlocks = blocks_of_portion<F>();
  static constexpr int kTileBytes = kBlocks * F::kLaneBytes;  // a thread's weights
  static constexpr int kSlotBytes = kTileBytes + F::kScaleBytes;
  static constexpr int kDepth = kQueueBytes / (kThreads * kSlotBytes);
  static_assert(kDepth >= 2);
};

// The weights of one product. Its units of work are the splits of tile 0, then those of tile 1, and so on.
struct Stream {
  const char* tiles;
  const uint32_t* group_scales;
  int portions;    // portions of a tile
  int split_bits;  // log2(splits), which is a power of two, so that nothing is divided
  int units;
  int group_bits;  // log2 of the columns of a group
};

constexpr Stream stream_of(const LinearParams& p) {
  const int blocks = with_format(p.weight.format, [](auto row) { return blocks_of_portion<decltype(row)>(); });
  Stream s{static_cast<const char*>(p.weight.tiles), p.weight.group_scales,
           p.weight.inner / (blocks * kBlockInner),  0,
           p.weight.rows / kTileRows * p.splits,     0};
  while (1 << s.split_bits < p.splits) ++s.split_bits;
  while (1 << s.group_bits < p.weight.group) ++s.group_bits;
  return s;
}

// A warp's portions of a unit: [begin, end) of its tile's.
struct Slice {
  int tile, begin, end;
};

GLM_DEVICE Slice slice_of(const Stream& s, int unit) {
  const int part = (unit & ((1 << s.split_bits) - 1)) * kWarps + simt::thread() / 32;
  const int bits = s.split_bits + kWarpBits;
  return {unit >> s.split_bits, s.portions * part >> bits, s.portions * (part + 1) >> bits};
}

// Where a warp's queue stands between two products, kept in shared memory: registers are for the calls between them.
struct Place {
  int stream, unit, left;  // what to ask for next, and how many portions of the unit's slice are left
  int oldest;              // the slot of the oldest portion that is on its way, in bytes
};

// A portion that has arrived: where the thread's first sixteen bytes of it lie, and its scales.
struct Arrived {
  const char* tile;
  const char* scales;
};

// A thread's weights on their way, for all the launch's products, one after another. The queue lives from product to
// product: begin() asks for the first portions of a launch, leave() stores where the queue stands, and resume() goes on
// from there.
template <typename F, int kQueueBytes>
class Queue {
 public:
  using T = Portion<F, kQueueBytes>;

  // memory: kQueueBytes of shared memory, which are the team's
  GLM_DEVICE Queue(const Stream* streams, int count, char* memory)
      : streams_(streams),
        count_(count),
        memory_(memory + simt::thread() * 16),
        scale_memory_(memory + T::kTileBytes * kThreads + simt::thread() * F::kScaleBytes) {}
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

  // Returns the oldest portion once it has arrived. It stays where it is until the next call. The slot of the portion
  // before it is free now, because that one has been multiplied, and the next portion is asked for into this slot.
  GLM_DEVICE Arrived next() {
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
  static constexpr int kScaleWords = F::kScaleBytes / 4;

  // Points at the first portion of the unit's slice that is left.
  GLM_DEVICE void point() {
    const Stream& s = streams_[stream_];
    const Slice slice = slice_of(s, unit_);
    const int lane = simt::thread() % 32;
    const int64_t portion = static_cast<int64_t>(slice.tile) * s.portions + slice.end - left_;
    from_ = s.tiles + portion * (32 * T::kTileBytes) + lane * 16;
    if constexpr (F::kCoded) {
      const int groups = (s.portions * kBlockInner + (1 << s.group_bits) - 1) >> s.group_bits;
      scales_ = s.group_scales + (static_cast<int64_t>(slice.tile) * (groups * 8) + lane / 4) * kScaleWords;
      column_ = (slice.end - left_) * kBlockInner + lane % 4 * 16;
      group_bits_ = s.group_bits;
    } else if constexpr (F::kScaleBytes > 0) {
      scales_ = s.group_scales + (portion * 8 + lane / 4) * kScaleWords;
    }
  }

  // Goes from the end of a slice to the next one that isn't empty.
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
      if constexpr (F::kScaleBytes > 0) fetch_scales(scale_memory_ + slot);
      if (--left_ == 0) advance();
    }
    simt::copy_async_commit();
  }

  // Asks for the scales of the lane's sixteen columns, which have one group. Lanes of the same group ask for the same
  // bytes.
  GLM_DEVICE void fetch_scales(char* to) {
    if constexpr (F::kCoded) {
      copy_scales(to, scales_ + (column_ >> group_bits_) * (8 * kScaleWords));
      column_ += kBlockInner;
    } else {
      copy_scales(to, scales_);
      scales_ += 8 * kScaleWords;
    }
  }
  GLM_DEVICE static void copy_scales(char* to, const uint32_t* from) {
    if constexpr (F::kScaleBytes == 16) {
      simt::copy_async_16(to, from);
    } else {
      simt::copy_async_8(to, from);
    }
  }

  const Stream* streams_;
  int count_;
  char* memory_;  // the thread's first sixteen bytes of the first slot
  char* scale_memory_;
  const char* from_ = nullptr;
  const uint32_t* scales_ = nullptr;  // kCoded: of the tile's first group
  int column_ = 0, group_bits_ = 0;   // kCoded: the lane's first column of the next portion
  int stream_ = 0, unit_ = 0, left_ = 0;
  int oldest_ = 0, free_ = kEnd - kSlot;  // slots, in bytes
};

}  // namespace glm::cuda
