#include "tests/kernels/host_library.h"

#include <array>
#include <exception>
#include <string>
#include <vector>

#include "kernels/cuda/script.h"
#include "tests/kernels/step_host.h"

namespace glm {
namespace {

constexpr int kMultiprocessors = 3;
std::array<uint64_t, cuda::kKernels> g_launches = {};
std::string g_wrong;

const char* run(const cuda::Call* calls, int count, void*) {
  try {
    for (const cuda::Segment& s : cuda::segments_of(calls, count)) {
      const std::vector<cuda::Call> own(calls + s.begin, calls + s.end);
      s.alone ? run_calls(own, {.blocks = kMultiprocessors}) : run_step(own, {.blocks = kMultiprocessors});
      for (const cuda::Call& call : own) ++g_launches[static_cast<size_t>(call.kernel)];
    }
  } catch (const std::exception& e) {
    g_wrong = e.what();
    return g_wrong.c_str();
  }
  return nullptr;
}

const char* record(const cuda::Call* calls, int count, void** graph) {
  *graph = new std::vector<cuda::Call>(calls, calls + count);
  return nullptr;
}

const char* replay(void* graph, int times, void* stream) {
  const auto& calls = *static_cast<const std::vector<cuda::Call>*>(graph);
  for (int i = 0; i < times; ++i) {
    if (const char* wrong = run(calls.data(), static_cast<int>(calls.size()), stream)) return wrong;
  }
  return nullptr;
}

void discard(void* graph) {
  delete static_cast<std::vector<cuda::Call>*>(graph);
}

int multiprocessors() {
  return kMultiprocessors;
}

uint64_t launches(cuda::Kernel kernel) {
  return g_launches[static_cast<size_t>(kernel)];
}

}  // namespace

const cuda::Library& host_library() {
  static const cuda::Library library{"host", run, record, replay, discard, multiprocessors, launches};
  return library;
}

}  // namespace glm
