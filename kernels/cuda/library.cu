#include <atomic>
#include <cstdio>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/library.h"

namespace glm::cuda {
namespace {

std::atomic<uint64_t> g_launches[kKernels];
thread_local char g_message[256];

const char* text_of(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return nullptr;
  std::snprintf(g_message, sizeof g_message, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
  cudaGetLastError();  // or the next call that looks would find it again
  return g_message;
}

cudaError_t launch_one(const Call& call, const Launch& l) {
  switch (call.kernel) {
    case Kernel::linear:
      switch (call.linear.weight.format) {
        case Format::bf16:
          return launch_linear_bf16(call.linear, l);
        case Format::fp8:
          return launch_linear_fp8(call.linear, l);
        case Format::int8:
          return launch_linear_int8(call.linear, l);
        case Format::int4:
          return launch_linear_int4(call.linear, l);
      }
      return cudaErrorInvalidValue;
    case Kernel::attention:
      return launch_attention(call.attention, l);
    case Kernel::norm:
      return launch_norm(call.norm, l);
    case Kernel::sample:
      return launch_sample(call.sample, l);
  }
  return cudaErrorInvalidValue;
}

const char* name_of(Kernel kernel) {
  constexpr const char* kNames[kKernels] = {"linear", "attention", "norm", "sample"};
  return kNames[static_cast<int>(kernel)];
}

// The current device's number of multiprocessors, and whether its kernels may overlap.
cudaError_t ask_device(int* multiprocessors, bool* may_overlap) {
  int device = 0;
  int major = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  *may_overlap = major >= 9;
  return error;
}

const char* launch_all(const Call* calls, int count, bool overlap, cudaStream_t stream) {
  int multiprocessors = 0;
  bool may_overlap = false;
  if (const char* wrong = text_of(ask_device(&multiprocessors, &may_overlap), "the current device")) return wrong;
  for (int i = 0; i < count; ++i) {
    // Attention reads what `sample` writes before it waits; a kernel that has waited for `sample` goes before it.
    const bool follows = i > 0 && calls[i - 1].kernel != Kernel::sample;
    const Launch l{stream, overlap && may_overlap && follows, multiprocessors};
    if (const char* wrong = text_of(launch_one(calls[i], l), name_of(calls[i].kernel))) return wrong;
  }
  return nullptr;
}

void count_launches(const uint64_t (&counts)[kKernels], uint64_t times) {
  for (int k = 0; k < kKernels; ++k) g_launches[k] += counts[k] * times;
}

void add(const Call* calls, int count, uint64_t (&counts)[kKernels]) {
  for (int i = 0; i < count; ++i) ++counts[static_cast<int>(calls[i].kernel)];
}

const char* run(const Call* calls, int count, bool overlap, void* stream) {
  if (const char* wrong = launch_all(calls, count, overlap, static_cast<cudaStream_t>(stream))) return wrong;
  uint64_t counts[kKernels] = {};
  add(calls, count, counts);
  count_launches(counts, 1);
  return nullptr;
}

struct Graph {
  cudaGraphExec_t executable = nullptr;
  uint64_t counts[kKernels] = {};
};

const char* record(const Call* calls, int count, bool overlap, void** result) {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  if (const char* wrong = text_of(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream")) return wrong;
  const char* wrong = text_of(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
  if (wrong == nullptr) {
    wrong = launch_all(calls, count, overlap, stream);
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    if (wrong == nullptr) wrong = text_of(ended, "ending a graph");
  }
  cudaStreamDestroy(stream);
  cudaGraphExec_t executable = nullptr;
  if (wrong == nullptr) wrong = text_of(cudaGraphInstantiate(&executable, graph, 0), "preparing a graph");
  if (graph != nullptr) cudaGraphDestroy(graph);
  if (wrong != nullptr) return wrong;
  auto* own = new Graph{executable, {}};
  add(calls, count, own->counts);
  *result = own;
  return nullptr;
}

const char* replay(void* graph, int times, void* stream) {
  const auto* own = static_cast<const Graph*>(graph);
  for (int i = 0; i < times; ++i) {
    if (const char* wrong = text_of(cudaGraphLaunch(own->executable, static_cast<cudaStream_t>(stream)), "a graph")) {
      return wrong;
    }
  }
  count_launches(own->counts, static_cast<uint64_t>(times));
  return nullptr;
}

void discard(void* graph) {
  auto* own = static_cast<Graph*>(graph);
  if (own == nullptr) return;
  cudaGraphExecDestroy(own->executable);
  delete own;
}

int multiprocessors() {
  int count = 0;
  bool may_overlap = false;
  return ask_device(&count, &may_overlap) == cudaSuccess ? count : 0;
}

uint64_t launches(Kernel kernel) {
  return g_launches[static_cast<int>(kernel)];
}

constexpr Library kLibrary{GLM_CUDA_BUILD, run, record, replay, discard, multiprocessors, launches};

}  // namespace
}  // namespace glm::cuda

extern "C" __attribute__((visibility("default"))) const glm::cuda::Library* glm_cuda_library() {
  return &glm::cuda::kLibrary;
}
