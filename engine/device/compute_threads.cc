#include "engine/device/compute_threads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cpu_count.h"
#include "base/limits.h"
#include "base/refuse.h"

// What LibTorch's OpenMP library has. No compiler's option is needed to call it.
extern "C" {
void omp_set_dynamic(int dynamic);
int omp_get_num_threads();
void gomp_parallel(void (*call)(void*), void* data, unsigned threads, unsigned flags) __asm__("GOMP_parallel");
}

namespace glm {
namespace {

// A thread counts against the limits until the kernel has forgotten it, which is a little after it was joined.
void wait_until_forgotten(pid_t thread) {
  const auto begin = std::chrono::steady_clock::now();
  while (::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0) {
    if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(1)) return;
    std::this_thread::yield();
  }
}

// Returns how many more threads the system lets this process start, at most `most`. It starts them all, so that they
// exist at the same time for a moment, and ends them again.
int threads_to_be_had(int most) {
  std::vector<pid_t> ids(static_cast<size_t>(most), 0);
  std::vector<std::thread> threads;
  std::atomic<bool> over = false;
  try {
    threads.reserve(ids.size());
    for (pid_t& id : ids) {
      threads.emplace_back([&id, &over] {
        id = static_cast<pid_t>(::syscall(SYS_gettid));
        over.wait(false);
      });
    }
  } catch (const std::system_error&) {  // the system gives no more than were started
  }
  over = true;
  over.notify_all();
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < threads.size(); ++i) wait_until_forgotten(ids[i]);
  return static_cast<int>(threads.size());
}

// Asks OpenMP for a team of `wanted` threads and returns how many it has. Its threads stay for the next team.
int team_of(int wanted) {
  std::atomic<int> size = 1;
  const auto look = [](void* data) { *static_cast<std::atomic<int>*>(data) = omp_get_num_threads(); };
  gomp_parallel(look, &size, static_cast<unsigned>(wanted), 0);
  return size;
}

// The number of threads in LibTorch's other pool. The whole process has one such pool. Its size is the largest number
// of threads that LibTorch was told so far.
std::atomic<int> g_pool = 1;

// Returns how many threads have to be started to compute with `threads`: the team's, except the calling one, and those
// that the other pool lacks.
int needed(int threads) {
  return threads - 1 + std::max(0, threads - g_pool);
}

}  // namespace

int threads_asked(int option) {
  if (option < 0 || option > limits::kMaxThreads) {
    refuse("threads", "0 to " + std::to_string(limits::kMaxThreads), std::to_string(option));
  }
  return option > 0 ? option : cpu_count();
}

int start_compute_threads(int wanted, std::string* why_fewer) {
  omp_set_dynamic(0);     // otherwise OpenMP makes smaller teams on a busy machine
  at::get_num_threads();  // LibTorch sets a number of its own when a thread first asks: now, not in a call
  const int had = threads_to_be_had(needed(wanted));
  int threads = wanted;
  while (needed(threads) > had) --threads;
  const bool few = threads < wanted;
  const int team = team_of(threads);
  at::set_num_threads(team);
  g_pool = std::max<int>(g_pool, team);
  if (team < threads) {
    *why_fewer = "OpenMP gives no more (OMP_THREAD_LIMIT)";
  } else if (few) {
    *why_fewer = "the system gives no more (see ulimit -u, or the container's limit of processes)";
  }
  if (team < wanted) {
    *why_fewer =
        "computing with " + std::to_string(team) + " of " + std::to_string(wanted) + " threads, because " + *why_fewer;
  }
  return team;
}

void compute_once() {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor picture = at::ones({1, 16, 16, 16}, dtype);
    const at::Tensor drawn = at::conv2d(picture, at::ones({16, 16, 3, 3}, dtype));
    at::gelu(at::linear(at::ones({16, 16}, dtype), at::ones({16, 16}, dtype)));
    at::softmax(at::layer_norm(drawn, {14}), -1);
  }
}

}  // namespace glm
