// clang-format would sort these, but simt_device.cuh comes first: the others use its names.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/script.h"
#include "kernels/cuda/step.cuh"
// clang-format on

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace glm::cuda {
namespace {

std::atomic<uint64_t> g_launches[kKernels];
thread_local char g_message[256];

const char* failure_text(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return nullptr;
  std::snprintf(g_message, sizeof g_message, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
  cudaGetLastError();  // forgets the error; otherwise the next check would find it again
  return g_message;
}

cudaError_t launch_step(Format format, const StepParams& p, int columns, const Launch& l) {
  return with_format(format, [&](auto row) { return launch_step<decltype(row)>(p, columns, l); });
}

cudaError_t launch_alone(const Call& call, const Launch& l) {
  switch (call.kernel) {
    case Kernel::sample:
      return launch_sample(call.sample, l);
    case Kernel::modulate:
      return launch_modulate(call.modulate, l);
    case Kernel::heads:
      return launch_heads(call.heads, l);
    case Kernel::group_statistics:
      return launch_statistics(call.group_norm, l);
    case Kernel::group_norm:
      return launch_group_norm(call.group_norm, l);
    default:
      return cudaErrorInvalidValue;  // a part of a step
  }
}

cudaError_t ask_device(Device* device) {
  int index = 0;
  int major = 0;
  int minor = 0;
  cudaError_t error = cudaGetDevice(&index);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&device->multiprocessors, cudaDevAttrMultiProcessorCount, index);
  }
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
  device->arch = 100 * major + 10 * minor;
  return error;
}

// What launches read beside their parameters. In device memory it is the barrier's counter, the calls, the products'
// streams.
struct Script {
  static constexpr size_t kBarrierBytes = 16;

  Script(const Call* calls, int count) : segments(segments_of(calls, count)), calls_(calls, calls + count) {
    keep_x_in_blocks(calls_.data(), count);
    for (const Call& call : calls_) {
      if (call.kernel == Kernel::linear) streams_.push_back(stream_of(call.linear));
    }
  }

  // Says whether a launch reads more than its parameters.
  bool needs_memory() const {
    return std::any_of(segments.begin(), segments.end(), [](const Segment& s) { return !s.alone; });
  }

  size_t bytes() const { return kBarrierBytes + calls_.size() * sizeof(Call) + streams_.size() * sizeof(Stream); }

  // The bytes for device memory.
  std::unique_ptr<char[]> image() const {
    auto all = std::make_unique<char[]>(bytes());  // zeros, as the barrier needs them
    const size_t bytes_of_calls = calls_.size() * sizeof(Call);
    std::memcpy(all.get() + kBarrierBytes, calls_.data(), bytes_of_calls);
    std::memcpy(all.get() + kBarrierBytes + bytes_of_calls, streams_.data(), streams_.size() * sizeof(Stream));
    return all;
  }

  const char* launch(char* memory, const Launch& l) const {
    auto* const calls = reinterpret_cast<const Call*>(memory + kBarrierBytes);
    auto* const streams = reinterpret_cast<const Stream*>(calls + calls_.size());
    for (const Segment& s : segments) {
      const StepParams p{calls + s.begin, streams + s.first_product, reinterpret_cast<uint32_t*>(memory),
                         s.end - s.begin, s.products};
      const cudaError_t error = s.alone ? launch_alone(calls_[s.begin], l) : launch_step(s.format, p, s.columns, l);
      if (const char* wrong = failure_text(error, s.alone ? "launching a kernel" : "launching a step")) return wrong;
    }
    return nullptr;
  }

  std::vector<Segment> segments;

 private:
  std::vector<Call> calls_;
  std::vector<Stream> streams_;
};
static_assert(sizeof(Call) % alignof(Stream) == 0);

void count_launches(const uint64_t (&counts)[kKernels], uint64_t times) {
  for (int k = 0; k < kKernels; ++k) g_launches[k] += counts[k] * times;
}

void add(const Call* calls, int count, uint64_t (&counts)[kKernels]) {
  for (int i = 0; i < count; ++i) ++counts[static_cast<int>(calls[i].kernel)];
}

// Copies the script to device memory, and keeps it on the host until the device has read it.
const char* send(const Script& script, void* to, cudaStream_t stream) {
  std::unique_ptr<char[]> image = script.image();
  const cudaError_t copied = cudaMemcpyAsync(to, image.get(), script.bytes(), cudaMemcpyHostToDevice, stream);
  if (const char* wrong = failure_text(copied, "copying a step's calls to the GPU")) return wrong;
  const auto forget = [](void* sent) { delete[] static_cast<char*>(sent); };
  if (cudaLaunchHostFunc(stream, forget, image.get()) == cudaSuccess) {
    image.release();
    return nullptr;
  }
  cudaGetLastError();
  return failure_text(cudaStreamSynchronize(stream),
                      "copying a step's calls to the GPU");  // after it the script has been read
}

// Calls `call` and returns what it returns. `call` may throw only because the computer has too little memory.
template <typename Call>
const char* told(Call call) noexcept {
  try {
    return call();
  } catch (...) {
    return "the computer has no memory left";
  }
}

const char* launch_with_memory(const Script& script, const Launch& l) {
  void* memory = nullptr;
  const cudaError_t made = cudaMallocAsync(&memory, script.bytes(), l.stream);
  if (const char* wrong = failure_text(made, "allocating a step's memory")) return wrong;
  const char* wrong = told([&] { return send(script, memory, l.stream); });
  if (wrong == nullptr) wrong = script.launch(static_cast<char*>(memory), l);
  const cudaError_t freed = cudaFreeAsync(memory, l.stream);
  return wrong != nullptr ? wrong : failure_text(freed, "freeing a step's memory");
}

const char* run(const Call* calls, int count, void* queue) noexcept {
  return told([&]() -> const char* {
    auto* const stream = static_cast<cudaStream_t>(queue);
    const Script script(calls, count);
    Device device{};
    if (const char* wrong = failure_text(ask_device(&device), "asking the current GPU for its properties"))
      return wrong;
    const char* const wrong =
        script.needs_memory() ? launch_with_memory(script, {stream, device}) : script.launch(nullptr, {stream, device});
    if (wrong != nullptr) return wrong;
    uint64_t counts[kKernels] = {};
    add(calls, count, counts);
    count_launches(counts, 1);
    return nullptr;
  });
}

struct Graph {
  cudaGraphExec_t executable = nullptr;
  void* memory = nullptr;  // its script
  uint64_t counts[kKernels] = {};

  ~Graph() {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
    if (memory != nullptr) cudaFree(memory);
  }
};

// A stream that is destroyed with this object.
struct OwnStream {
  ~OwnStream() {
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
  cudaStream_t stream = nullptr;
};

const char* capture(const Script& script, const Device& device, Graph& own, cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  const char* wrong = failure_text(cudaMalloc(&own.memory, script.bytes()), "allocating a step's memory");
  if (wrong == nullptr) wrong = send(script, own.memory, stream);
  if (wrong == nullptr) wrong = failure_text(cudaStreamSynchronize(stream), "copying a step's calls to the GPU");
  if (wrong == nullptr) {
    wrong = failure_text(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
  }
  if (wrong != nullptr) return wrong;
  wrong = script.launch(static_cast<char*>(own.memory), {stream, device});
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  if (wrong == nullptr) wrong = failure_text(ended, "ending a graph");
  if (wrong == nullptr) wrong = failure_text(cudaGraphInstantiate(&own.executable, graph, 0), "instantiating a graph");
  if (graph != nullptr) cudaGraphDestroy(graph);
  return wrong;
}

const char* record(const Call* calls, int count, void** result) noexcept {
  return told([&]() -> const char* {
    const Script script(calls, count);
    auto own = std::make_unique<Graph>();
    Device device{};
    OwnStream on;
    if (const char* wrong = failure_text(ask_device(&device), "asking the current GPU for its properties"))
      return wrong;
    const cudaError_t made = cudaStreamCreateWithFlags(&on.stream, cudaStreamNonBlocking);
    if (const char* wrong = failure_text(made, "creating a stream")) return wrong;
    if (const char* wrong = capture(script, device, *own, on.stream)) return wrong;
    add(calls, count, own->counts);
    *result = own.release();
    return nullptr;
  });
}

const char* replay(void* graph, int times, void* stream) noexcept {
  const auto* own = static_cast<const Graph*>(graph);
  for (int i = 0; i < times; ++i) {
    if (const char* wrong =
            failure_text(cudaGraphLaunch(own->executable, static_cast<cudaStream_t>(stream)), "launching a graph")) {
      return wrong;
    }
  }
  count_launches(own->counts, static_cast<uint64_t>(times));
  return nullptr;
}

void discard(void* graph) noexcept {
  delete static_cast<Graph*>(graph);
}

int multiprocessors() noexcept {
  Device device{};
  return ask_device(&device) == cudaSuccess ? device.multiprocessors : 0;
}

uint64_t launches(Kernel kernel) noexcept {
  return g_launches[static_cast<int>(kernel)];
}

constexpr Library kLibrary{GLM_CUDA_BUILD, run, record, replay, discard, multiprocessors, launches};

}  // namespace
}  // namespace glm::cuda

extern "C" __attribute__((visibility("default"))) const glm::cuda::Library* glm_cuda_library() {
  return &glm::cuda::kLibrary;
}
