#include "engine/device/compute_threads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

#include "base/cpu_count.h"
#include "base/limits.h"
#include "base/refuse.h"
#include "kernels/host/gomp.h"

// What LibTorch's OpenMP library has. No compiler's option is needed to call it.
extern "C" {
void omp_set_dynamic(int dynamic);
int omp_get_num_threads();
int omp_get_thread_num();
int omp_get_num_places();
int omp_get_place_num_procs(int place);
void omp_get_place_proc_ids(int place, int* ids);
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

// Returns the bytes of a stack that OpenMP was told to give its threads, or 0. "4M", "512" (kilobytes), "65536B"
size_t stack_of_openmp() {
  const char* text = std::getenv("OMP_STACKSIZE");
  if (text == nullptr) text = std::getenv("GOMP_STACKSIZE");
  if (text == nullptr) return 0;
  char* end = nullptr;
  const unsigned long long number = std::strtoull(text, &end, 10);
  constexpr std::string_view units = "bkmg";
  while (*end == ' ') ++end;
  const size_t unit = *end == '\0' ? 1 : units.find(static_cast<char>(*end | 0x20));
  if (end == text || unit == std::string_view::npos || number >> (63 - 10 * unit) != 0) return 0;
  return static_cast<size_t>(number) << (10 * unit);
}

// The attributes with which OpenMP starts its thread of this number. They have the size of stack and the processors
// that OpenMP's variables ask for. Where such a thread can't be started, OpenMP ends the process.
class ThreadOfOpenMp {
 public:
  explicit ThreadOfOpenMp(int number) {
    ::pthread_attr_init(&attributes_);
    if (const size_t stack = stack_of_openmp(); stack > 0) ::pthread_attr_setstacksize(&attributes_, stack);
    if (const int places = omp_get_num_places(); places > 0) {
      std::vector<int> processors(static_cast<size_t>(omp_get_place_num_procs(number % places)));
      omp_get_place_proc_ids(number % places, processors.data());
      cpu_set_t set;
      CPU_ZERO(&set);
      for (const int processor : processors) CPU_SET(static_cast<size_t>(processor), &set);
      ::pthread_attr_setaffinity_np(&attributes_, sizeof set, &set);
    }
  }
  ~ThreadOfOpenMp() { ::pthread_attr_destroy(&attributes_); }
  ThreadOfOpenMp(const ThreadOfOpenMp&) = delete;
  ThreadOfOpenMp& operator=(const ThreadOfOpenMp&) = delete;

  const pthread_attr_t* attributes() const { return &attributes_; }

 private:
  pthread_attr_t attributes_{};
};

// A thread that is started only to see whether it can be. It notes its id, and waits until the others have started.
struct Probe {
  std::atomic<bool>* over = nullptr;
  pid_t id = 0;
  pthread_t thread = {};

  static void* run(void* probe) {
    auto* const self = static_cast<Probe*>(probe);
    self->id = static_cast<pid_t>(::syscall(SYS_gettid));
    self->over->wait(false);
    return nullptr;
  }
};

// Returns how many more threads the system lets this process start, at most `most`. It starts them all as OpenMP would,
// so that they exist at the same time for a moment, and ends them again.
int threads_to_be_had(int most) {
  std::atomic<bool> over = false;
  std::vector<Probe> probes(static_cast<size_t>(most), Probe{.over = &over});
  int had = 0;
  for (; had < most; ++had) {
    Probe& probe = probes[static_cast<size_t>(had)];
    const ThreadOfOpenMp like(had + 1);
    if (::pthread_create(&probe.thread, like.attributes(), Probe::run, &probe) != 0) break;
  }
  over = true;
  over.notify_all();
  probes.resize(static_cast<size_t>(had));
  for (const Probe& probe : probes) ::pthread_join(probe.thread, nullptr);
  for (const Probe& probe : probes) wait_until_forgotten(probe.id);
  return had;
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
    *why_fewer =
        "the system gives no more (see ulimit -u, ulimit -v, the container's limit of processes, OMP_STACKSIZE and "
        "GOMP_CPU_AFFINITY)";
  }
  if (team < wanted) {
    *why_fewer =
        "computing with " + std::to_string(team) + " of " + std::to_string(wanted) + " threads, because " + *why_fewer;
  }
  return team;
}

void EndOfTeam::note_team() {
  const int team = at::get_num_threads();
  if (team < 2) return;
  std::vector<std::atomic<int>> ids(static_cast<size_t>(team));
  const auto note = [](void* data) {
    (*static_cast<std::vector<std::atomic<int>>*>(data))[static_cast<size_t>(omp_get_thread_num())] =
        static_cast<int>(::syscall(SYS_gettid));
  };
  gomp_parallel(note, &ids, static_cast<unsigned>(team), 0);
  ids_.assign(ids.begin() + 1, ids.end());
}

EndOfTeam::~EndOfTeam() {
  for (const int id : ids_) wait_until_forgotten(id);
}

std::string slow_kernels() {
  const bool fast = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!fast || at::get_cpu_capability() != "DEFAULT") return "";
  return "LibTorch computes with its slowest kernels, so that pictures differ a little from those of other runs: "
         "/proc/cpuinfo can't be read, or ATEN_CPU_CAPABILITY is set";
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
