#include "kernels/host/threads.h"

#include <ATen/Parallel.h>
#include <c10/util/ParallelGuard.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>

#include "kernels/host/gomp.h"

namespace glm::host {
namespace {

constexpr int64_t kPartsOfAThread = 4;              // so that a thread that is slow or comes late does less
constexpr size_t kStackOfPart = size_t{256} << 10;  // the kernels keep up to 100 KB of numbers there

struct Shares {
  const std::function<void(int64_t, int64_t)>& work;
  int64_t count;
  int64_t part;
  std::atomic<int64_t> next = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr problem = nullptr;

  static void take(void* shares) {
    auto& self = *static_cast<Shares*>(shares);
    const c10::ParallelGuard guard(true);
    try {
      for (int64_t begin = self.next.fetch_add(self.part); begin < self.count; begin = self.next.fetch_add(self.part)) {
        self.work(begin, std::min(self.count, begin + self.part));
      }
    } catch (...) {
      if (!self.failed.exchange(true)) self.problem = std::current_exception();
    }
  }
};

// Returns the bytes of the smallest stack among the threads, which OMP_STACKSIZE may have made tiny.
size_t smallest_stack() {
  std::atomic<size_t> smallest = SIZE_MAX;
  const auto look = [](void* data) {
    auto& least = *static_cast<std::atomic<size_t>*>(data);
    pthread_attr_t attributes;
    size_t own = SIZE_MAX;  // unknown; of the first thread only /proc knows it
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      ::pthread_attr_getstacksize(&attributes, &own);
      ::pthread_attr_destroy(&attributes);
    }
    for (size_t seen = least; own < seen && !least.compare_exchange_weak(seen, own);) continue;
  };
  gomp_parallel(look, &smallest, 0, 0);
  return smallest;
}

// Says whether the stacks of the other threads are large enough for a part. All of them have the same size. The answer
// is no static object, because a child that is forked while one is being made would wait for it for ever. So two
// threads may both look for the answer.
bool have_room() {
  enum Answer { kUnknown, kNo, kYes };
  static std::atomic<int> known = kUnknown;
  if (known == kUnknown) known = smallest_stack() >= kStackOfPart ? kYes : kNo;
  return known == kYes;
}

bool is_inside_a_part() {
  return at::in_parallel_region() || c10::ParallelGuard::is_enabled();
}

}  // namespace

void on_threads(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& work) {
  if (count <= 0) return;
  const int64_t threads = at::get_num_threads();
  if (count <= grain || threads == 1 || is_inside_a_part() || !have_room()) {
    const c10::ParallelGuard guard(true);
    work(0, count);
    return;
  }
  const int64_t parts = threads * kPartsOfAThread;
  Shares shares{.work = work, .count = count, .part = std::max(grain, (count + parts - 1) / parts)};
  gomp_parallel(Shares::take, &shares, 0, 0);
  if (shares.problem != nullptr) std::rethrow_exception(shares.problem);
}

}  // namespace glm::host
