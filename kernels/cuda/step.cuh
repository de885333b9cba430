// The calls of a token's step in one launch. Its blocks all run at once; they take their part of each call and wait for
// each other between two calls. Meanwhile the weights of the products to come arrive in shared memory.
#pragma once

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/linear.cuh"
#include "kernels/cuda/norm.cuh"

namespace glm::cuda {

// A multiprocessor has one block. By architecture (900 is sm_90) it has two teams where there is shared memory for two
// queues and 128 registers a thread are enough for the compiler.
constexpr int teams_of(int arch) {
  return arch == 800 || arch == 900 ? 2 : 1;
}
// The shared memory that this leaves for a team's queue.
constexpr int queue_bytes(int arch) {
  return (arch == 800 ? 32 : arch == 900 ? 80 : arch >= 1000 && arch < 1200 ? 128 : 48) * 1024;
}

// All in device memory.
struct StepParams {
  const Call* calls;      // none of them `sample`, products of one format
  const Stream* streams;  // of the products, in order
  uint32_t* barrier;      // the grid barrier's counter
  int count;
  int products;  // at most kMaxStreams
};

template <int kTeams>
struct StepShared {
  union {  // what the current call needs
    LinearShared<kTeams> linear;
    AttentionShared attention[kTeams];
    CombineShared combine[kTeams];
  };
  NormShared norm;  // not in the union: a norm may write linear.x
  Stream streams[kMaxStreams];
  Place places[kTeams][kWarps];
  Call calls[2];  // this one and the next
};

template <int kTeams>
constexpr int step_shared_bytes(int queue_bytes) {
  return kTeams * queue_bytes + static_cast<int>(sizeof(StepShared<kTeams>));
}

// A block's shared memory in bytes, by architecture.
constexpr int shared_bytes_of(int arch) {
  const int queue = queue_bytes(arch);
  return teams_of(arch) == 1 ? step_shared_bytes<1>(queue) : step_shared_bytes<2>(queue);
}

constexpr int kCallWords = sizeof(Call) / 4;
static_assert(sizeof(Call) % 4 == 0 && kCallWords <= kThreads && sizeof(Stream) % 4 == 0);

GLM_DEVICE uint32_t word_of(const void* from, int index) {
  return static_cast<const uint32_t*>(from)[index];
}

// Does a launch's calls. F is the format of its products' weights. kColumns is 1 for up to 8 batch rows, 2 for up to
// 16.
template <typename F, int kColumns, int kQueueBytes, int kTeams>
GLM_DEVICE void step(const StepParams& p) {
  auto& s = *reinterpret_cast<StepShared<kTeams>*>(simt::shared() + kTeams * kQueueBytes);
  char* const own_queue = simt::shared() + simt::team() * kQueueBytes;
  Place& place = s.places[simt::team()][simt::thread() / 32];
  const int thread = simt::block_thread();
  for (int i = thread; i < p.products * static_cast<int>(sizeof(Stream) / 4); i += kTeams * kThreads) {
    reinterpret_cast<uint32_t*>(s.streams)[i] = word_of(p.streams, i);
  }
  if (thread < kCallWords) reinterpret_cast<uint32_t*>(&s.calls[0])[thread] = word_of(&p.calls[0], thread);
  GridBarrier barrier(p.barrier);
  simt::sync();
  {
    Queue<F, kQueueBytes> queue(s.streams, p.products, own_queue);
    queue.begin();
    queue.leave(place);
    simt::sync();
  }
  int product = 0;
  bool x_is_there = false;
#pragma unroll 1
  for (int i = 0; i < p.count; ++i) {
    if (i + 1 < p.count && thread < kCallWords) {  // while the blocks wait for each other
      reinterpret_cast<uint32_t*>(&s.calls[(i + 1) % 2])[thread] = word_of(&p.calls[i + 1], thread);
    }
    const Call& call = s.calls[i % 2];
    if (call.kernel == Kernel::linear) {
      Queue<F, kQueueBytes> queue(s.streams, p.products, own_queue);
      queue.resume(place);
      linear<F, kColumns>(call.linear, s.streams[product], x_is_there, queue, s.linear, barrier);
      queue.leave(place);
      ++product;
      x_is_there = false;
    } else if (call.kernel == Kernel::attention) {
      attention(call.attention, s.attention[simt::team()], s.combine[simt::team()], barrier);
    } else {
      x_is_there = call.norm.own_x != 0;  // read now: afterwards another thread may have put a later call there
      norm<kTeams>(call.norm, s.norm, s.linear.x, barrier);
    }
    if (i + 1 < p.count && !x_is_there) barrier.arrive();
  }
  simt::copy_async_wait<0>();
}

}  // namespace glm::cuda
