// Work of the CPU's kernels is shared among threads.
#include <ATen/Parallel.h>
#include <c10/util/ParallelGuard.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/host/threads.h"

namespace glm::host {
namespace {

class HostThreads : public testing::Test {
 protected:
  ~HostThreads() override { at::set_num_threads(threads_); }
  HostThreads() = default;
  HostThreads(const HostThreads&) = delete;
  HostThreads& operator=(const HostThreads&) = delete;

 private:
  int threads_ = at::get_num_threads();
};

TEST_F(HostThreads, TakeEachNumberOnceInPartsOfTheGrain) {
  for (const int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    for (const int64_t count : {0, 1, 7, 100, 1000}) {
      for (const int64_t grain : {1, 30, 5000}) {
        std::vector<std::atomic<int>> taken(static_cast<size_t>(count));
        on_threads(count, grain, [&](int64_t begin, int64_t end) {
          EXPECT_TRUE(end - begin >= grain || end == count) << begin << " " << end;
          for (int64_t i = begin; i < end; ++i) ++taken[static_cast<size_t>(i)];
        });
        for (const std::atomic<int>& times : taken) ASSERT_EQ(times, 1) << threads << " " << count << " " << grain;
      }
    }
  }
}

// Each part waits until another thread has one, too, so that a loop of the calling thread would be found out.
TEST_F(HostThreads, WorkAtTheSameTime) {
  at::set_num_threads(3);
  std::atomic<int> begun = 0;
  on_threads(3, 1, [&](int64_t, int64_t) {
    ++begun;
    const auto begin = std::chrono::steady_clock::now();
    while (begun < 3 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)) std::this_thread::yield();
    EXPECT_EQ(begun, 3);
  });
}

TEST_F(HostThreads, AreNotUsedInsideAPart) {
  at::set_num_threads(3);
  for (const int64_t grain : {1, 6}) {  // work that is shared, and work that isn't
    on_threads(6, grain, [&](int64_t, int64_t) {
      const auto own = std::this_thread::get_id();
      on_threads(100, 1, [&](int64_t begin, int64_t end) {
        EXPECT_EQ(end - begin, 100);
        EXPECT_EQ(std::this_thread::get_id(), own);
      });
    });
    EXPECT_FALSE(c10::ParallelGuard::is_enabled());
  }
}

TEST_F(HostThreads, ThrowWhatAPartThrows) {
  for (const int threads : {1, 4}) {
    at::set_num_threads(threads);
    const auto fails = [](int64_t begin, int64_t end) {
      if (begin <= 5 && 5 < end) throw std::runtime_error("five");
    };
    EXPECT_THROW(on_threads(10, 1, fails), std::runtime_error);
    EXPECT_FALSE(c10::ParallelGuard::is_enabled());
  }
}

}  // namespace
}  // namespace glm::host
