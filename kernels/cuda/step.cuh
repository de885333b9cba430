// The calls of a token's step in one launch: blocks that all run at once take their part of each call, and wait for
// each other between two. Meanwhile the weights of the products to come arrive in shared memory.
#pragma once

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/linear.cuh"
#include "kernels/cuda/norm.cuh"

namespace glm::cuda {

constexpr int kBlocksPerProcessor = 2;
constexpr int kMaxStreams = 168;

// Of a block's queue: what two blocks a multiprocessor leave of its shared memory beside the rest. arch: 900 is sm_90
constexpr int queue_bytes(int arch) {
  return (arch >= 900 && arch < 1200 ? 96 : arch == 800 ? 64 : 32) * 1024;
}

// All in device memory.
struct StepParams {
  const Call* calls;      // none of them `sample`, products of one format
  const Stream* streams;  // of the products, in order
  uint32_t* barrier;      // Grid's
  int count;
  int products;  // at most kMaxStreams
};

struct StepShared {
  static constexpr int kWorkBytes =
      kLinearSharedBytes > kAttentionSharedBytes ? kLinearSharedBytes : kAttentionSharedBytes;
  static_assert(kWorkBytes >= kNormSharedBytes);

  alignas(16) char work[kWorkBytes];  // of the call
  Stream streams[kMaxStreams];
  Place places[kWarps];
  Call calls[2];  // this one and the next
};

constexpr int step_shared_bytes(int queue_bytes) {
  return queue_bytes + static_cast<int>(sizeof(StepShared));
}

constexpr int kCallWords = sizeof(Call) / 4;
static_assert(sizeof(Call) % 4 == 0 && kCallWords <= kThreads && sizeof(Stream) % 4 == 0);

GLM_DEVICE uint32_t word_of(const void* from, int index) {
  return static_cast<const uint32_t*>(from)[index];
}

// F: the products'. kColumns: 1 for up to 8 batch rows, 2 for up to 16
template <typename F, int kColumns, int kQueueBytes>
GLM_DEVICE void step(const StepParams& p) {
  StepShared& s = *reinterpret_cast<StepShared*>(simt::shared() + kQueueBytes);
  const int thread = simt::thread();
  for (int i = thread; i < p.products * static_cast<int>(sizeof(Stream) / 4); i += kThreads) {
    reinterpret_cast<uint32_t*>(s.streams)[i] = word_of(p.streams, i);
  }
  if (thread < kCallWords) reinterpret_cast<uint32_t*>(&s.calls[0])[thread] = word_of(&p.calls[0], thread);
  simt::sync();
  {
    Queue<F, kQueueBytes> queue(s.streams, p.products, simt::shared());
    queue.begin();
    queue.leave(s.places[thread / 32]);
    simt::sync();
  }
  Grid grid(p.barrier);
  int product = 0;
#pragma unroll 1
  for (int i = 0; i < p.count; ++i) {
    if (i + 1 < p.count && thread < kCallWords) {  // while the blocks wait for each other
      reinterpret_cast<uint32_t*>(&s.calls[(i + 1) % 2])[thread] = word_of(&p.calls[i + 1], thread);
    }
    const Call& call = s.calls[i % 2];
    if (call.kernel == Kernel::linear) {
      Queue<F, kQueueBytes> queue(s.streams, p.products, simt::shared());
      queue.resume(s.places[thread / 32]);
      linear<F, kColumns>(call.linear, s.streams[product], queue, s.work, grid);
      queue.leave(s.places[thread / 32]);
      ++product;
    } else if (call.kernel == Kernel::attention) {
      attention(call.attention, s.work, grid);
    } else {
      norm(call.norm, s.work, grid);
    }
    if (i + 1 < p.count) grid.arrive();
  }
  simt::copy_async_wait<0>();
}

}  // namespace glm::cuda
