// What the library of kernels does on the host: memory that it hands to the device, errors and exceptions. The runtime
// under it is this file's: nothing is computed, copies happen when a stream is waited for, and any call can fail.
#include "kernels/cuda/library.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {

struct Runtime {
  std::map<std::string, cudaError_t> failing;  // by the function's name
  std::map<std::string, int> calls;
  std::deque<std::function<void()>> queued;  // what the device has been asked for and hasn't done
  std::map<void*, size_t> memory;            // of the device
  struct {
    const void* from = nullptr;
    size_t size = 0;
  } copied;  // the last copy
  int streams = 0;
  cudaError_t last = cudaSuccess;

  cudaError_t answer(const std::string& name) {
    ++calls[name];
    const auto found = failing.find(name);
    if (found == failing.end()) return cudaSuccess;
    last = found->second;
    return last;
  }
  void work() {
    while (!queued.empty()) {
      const std::function<void()> next = queued.front();
      queued.pop_front();
      next();
    }
  }
  cudaError_t allocate(void** to, size_t size, const std::string& name) {
    const cudaError_t error = answer(name);
    if (error != cudaSuccess) return error;
    *to = std::calloc(1, size);
    memory[*to] = size;
    return cudaSuccess;
  }
};
Runtime g_runtime;
constinit int g_allocations_left = -1;  // of the host; -1: any number

// The runtime's own memory isn't counted.
struct Uncounted {
  Uncounted() : before(g_allocations_left) { g_allocations_left = -1; }
  ~Uncounted() { g_allocations_left = before; }
  Uncounted(const Uncounted&) = delete;
  Uncounted& operator=(const Uncounted&) = delete;
  int before;
};

}  // namespace

__attribute__((noinline)) void* operator new(size_t size) {
  if (g_allocations_left == 0) throw std::bad_alloc();
  if (g_allocations_left > 0) --g_allocations_left;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
__attribute__((noinline)) void operator delete(void* memory) noexcept {
  std::free(memory);
}
__attribute__((noinline)) void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

extern "C" {

cudaError_t cudaGetDevice(int* device) {
  const Uncounted own;
  *device = 0;
  return g_runtime.answer("cudaGetDevice");
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int /*device*/) {
  const Uncounted own;
  *value = attribute == cudaDevAttrMultiProcessorCount ? 132 : attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return g_runtime.answer("cudaDeviceGetAttribute");
}
cudaError_t cudaMalloc(void** memory, size_t size) {
  const Uncounted own;
  return g_runtime.allocate(memory, size, "cudaMalloc");
}
cudaError_t cudaMallocAsync(void** memory, size_t size, cudaStream_t /*stream*/) {
  const Uncounted own;
  return g_runtime.allocate(memory, size, "cudaMallocAsync");
}
cudaError_t cudaFree(void* memory) {
  const Uncounted own;
  g_runtime.memory.erase(memory);
  return g_runtime.answer("cudaFree");
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t /*stream*/) {
  const Uncounted own;
  g_runtime.memory.erase(memory);
  return g_runtime.answer("cudaFreeAsync");
}
cudaError_t cudaMemcpyAsync(void* /*to*/, const void* from, size_t size, cudaMemcpyKind /*kind*/,
                            cudaStream_t /*stream*/) {
  const Uncounted own;
  const cudaError_t error = g_runtime.answer("cudaMemcpyAsync");
  g_runtime.copied = {from, size};
  // What is copied to may be given back in the stream's order: it isn't written.
  if (error == cudaSuccess) g_runtime.queued.push_back([] {});
  return error;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t /*stream*/, cudaHostFn_t function, void* data) {
  const Uncounted own;
  const cudaError_t error = g_runtime.answer("cudaLaunchHostFunc");
  if (error == cudaSuccess) g_runtime.queued.push_back([=] { function(data); });
  return error;
}
cudaError_t cudaFuncSetAttribute(const void* /*function*/, cudaFuncAttribute attribute, int /*value*/) {
  const Uncounted own;
  return g_runtime.answer(attribute == cudaFuncAttributePreferredSharedMemoryCarveout ? "carve-out"
                                                                                      : "cudaFuncSetAttribute");
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* /*config*/, const void* /*function*/, void** /*arguments*/) {
  const Uncounted own;
  return g_runtime.answer("step");
}
cudaError_t __cudaLaunchKernel(cudaKernel_t /*kernel*/, dim3 /*grid*/, dim3 /*block*/, void** /*arguments*/,
                               size_t /*shared*/, cudaStream_t /*stream*/) {
  const Uncounted own;
  return g_runtime.answer("sample");
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  const Uncounted own;
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  const Uncounted own;
  const cudaError_t last = g_runtime.last;
  g_runtime.last = cudaSuccess;
  return last;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  const Uncounted own;
  const cudaError_t error = g_runtime.answer("cudaStreamCreateWithFlags");
  if (error == cudaSuccess) *stream = reinterpret_cast<cudaStream_t>(++g_runtime.streams);
  return error;
}
cudaError_t cudaStreamDestroy(cudaStream_t /*stream*/) {
  const Uncounted own;
  --g_runtime.streams;
  return g_runtime.answer("cudaStreamDestroy");
}
cudaError_t cudaStreamSynchronize(cudaStream_t /*stream*/) {
  const Uncounted own;
  g_runtime.work();
  return g_runtime.answer("cudaStreamSynchronize");
}
cudaError_t cudaStreamBeginCapture(cudaStream_t /*stream*/, cudaStreamCaptureMode /*mode*/) {
  const Uncounted own;
  return g_runtime.answer("cudaStreamBeginCapture");
}
cudaError_t cudaStreamEndCapture(cudaStream_t /*stream*/, cudaGraph_t* graph) {
  const Uncounted own;
  *graph = reinterpret_cast<cudaGraph_t>(1);
  return g_runtime.answer("cudaStreamEndCapture");
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t /*graph*/, unsigned long long /*flags*/) {
  const Uncounted own;
  *executable = reinterpret_cast<cudaGraphExec_t>(1);
  return g_runtime.answer("cudaGraphInstantiate");
}
cudaError_t cudaGraphDestroy(cudaGraph_t /*graph*/) {
  const Uncounted own;
  return g_runtime.answer("cudaGraphDestroy");
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t /*executable*/) {
  const Uncounted own;
  return g_runtime.answer("cudaGraphExecDestroy");
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t /*executable*/, cudaStream_t /*stream*/) {
  const Uncounted own;
  return g_runtime.answer("cudaGraphLaunch");
}

}  // extern "C"

namespace glm::cuda {
namespace {

class LibraryOnTheHost : public testing::Test {
 protected:
  LibraryOnTheHost() {
    g_runtime = Runtime();
    static void* const handle = dlopen(GLM_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(handle, nullptr) << dlerror();
    library = reinterpret_cast<const Library* (*)()>(dlsym(handle, kLibraryEntry))();
    linear.kernel = Kernel::linear;
    linear.linear = {};
    linear.linear.weight = {.tiles = nullptr,
                            .row_scales = nullptr,
                            .group_scales = nullptr,
                            .rows = 16,
                            .inner = 64,
                            .group = 0,
                            .format = {}};
    linear.linear.batch = linear.linear.splits = 1;
    sample.kernel = Kernel::sample;
    sample.sample = {};
    sample.sample.batch = 1;
  }
  ~LibraryOnTheHost() override { g_runtime = Runtime(); }

  const Library* library;
  Call linear{};
  Call sample{};
};

// The device may read what it was given long after run() has returned, and others have the host's memory by then.
TEST_F(LibraryOnTheHost, WhatTheDeviceReadsIsThereUntilItHasReadIt) {
  linear.linear.x_stride = 4711;
  ASSERT_EQ(library->run(&linear, 1, nullptr), nullptr);
  ASSERT_FALSE(g_runtime.queued.empty());
  const std::vector<std::string> others(64, std::string(g_runtime.copied.size, 'x'));
  std::vector<char> read(g_runtime.copied.size);
  std::memcpy(read.data(), g_runtime.copied.from, read.size());
  Call first{};
  std::memcpy(&first, read.data() + 16, sizeof first);  // behind the barrier
  EXPECT_EQ(first.linear.x_stride, 4711);
  g_runtime.work();
}

TEST_F(LibraryOnTheHost, LackOfMemoryComesBackAsAText) {
  const Call calls[] = {linear, linear, sample};
  for (int left = 0; left < 12; ++left) {
    g_runtime = Runtime();
    g_allocations_left = left;
    const char* wrong = "none";
    try {
      wrong = library->run(calls, 3, nullptr);
    } catch (...) {
      g_allocations_left = -1;
      FAIL() << "run() threw with " << left << " allocations";
    }
    void* graph = nullptr;
    g_allocations_left = left;
    try {
      wrong = library->record(calls, 3, &graph);
    } catch (...) {
      g_allocations_left = -1;
      FAIL() << "record() threw with " << left << " allocations";
    }
    g_allocations_left = -1;
    if (wrong != nullptr) {
      EXPECT_NE(std::string(wrong).find("memory"), std::string::npos) << wrong;
      EXPECT_EQ(graph, nullptr);
      EXPECT_TRUE(g_runtime.memory.empty()) << "the device's memory is left";
    } else {
      library->discard(graph);
    }
    EXPECT_EQ(g_runtime.streams, 0) << "a stream is left";
    g_runtime.work();
  }
}

TEST_F(LibraryOnTheHost, EachFailureIsTold) {
  for (const char* name : {"cudaGetDevice", "cudaMallocAsync", "cudaMemcpyAsync", "step", "cudaFreeAsync"}) {
    g_runtime = Runtime();
    g_runtime.failing[name] = cudaErrorUnknown;
    const char* const wrong = library->run(&linear, 1, nullptr);
    EXPECT_NE(wrong, nullptr) << name;
    EXPECT_TRUE(g_runtime.memory.empty()) << name;
    g_runtime.work();
  }
  for (const char* name : {"cudaStreamCreateWithFlags", "cudaMalloc", "cudaMemcpyAsync", "cudaStreamSynchronize",
                           "cudaStreamBeginCapture", "step", "cudaStreamEndCapture", "cudaGraphInstantiate"}) {
    g_runtime = Runtime();
    g_runtime.failing[name] = cudaErrorUnknown;
    void* graph = nullptr;
    EXPECT_NE(library->record(&linear, 1, &graph), nullptr) << name;
    EXPECT_EQ(graph, nullptr) << name;
    EXPECT_TRUE(g_runtime.memory.empty()) << name;
    EXPECT_EQ(g_runtime.streams, 0) << name;
  }
}

// A hint about shared memory is no reason not to launch.
TEST_F(LibraryOnTheHost, AHintThatIsRefusedIsNoFailure) {
  g_runtime.failing["carve-out"] = cudaErrorInvalidValue;
  const char* const wrong = library->run(&sample, 1, nullptr);
  EXPECT_EQ(wrong, nullptr) << wrong;
  EXPECT_EQ(g_runtime.calls["sample"], 1);
}

}  // namespace
}  // namespace glm::cuda
