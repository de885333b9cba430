#include "tests/gpu/gpu.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>
#include <stdexcept>

#include "kernels/cuda/loader.h"

namespace glm {
namespace {

struct Opened {
  std::optional<Gpu> gpu;
  std::string why_not;
};

Opened open() {
  const std::vector<CudaDevice> all = cuda_devices();
  if (all.empty()) return {{}, "no NVIDIA GPU with a driver here"};
  if (const std::string problem = problem_of(all[0]); !problem.empty()) return {{}, all[0].name + ": " + problem};
  const at::Device device = open_device("cuda:0");
  const cuda::Loaded& loaded = cuda::load_library();
  if (loaded.library == nullptr) return {{}, loaded.why_not};
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.setDevice(device);
  const c10::Stream stream = guard.getStreamFromGlobalPool(device);
  guard.exchangeStream(stream);
  return {Gpu{device, all[0], loaded.library, guard.getStreamNativeHandle(stream)}, ""};
}

void check(const char* wrong) {
  if (wrong != nullptr) throw std::runtime_error(wrong);
}

}  // namespace

const Gpu* open_gpu(std::string* why_not) {
  static const Opened opened = open();
  if (why_not != nullptr) *why_not = opened.why_not;
  return opened.gpu ? &*opened.gpu : nullptr;
}

void run(const Gpu& gpu, const Calls& calls) {
  check(gpu.library->run(calls.data(), static_cast<int>(calls.size()), gpu.stream));
}

Graph::Graph(const Gpu& gpu, const Calls& calls) : gpu_(gpu) {
  check(gpu.library->record(calls.data(), static_cast<int>(calls.size()), &graph_));
}

Graph::~Graph() {
  gpu_.library->discard(graph_);
}

void Graph::replay(int times) const {
  check(gpu_.library->replay(graph_, times, gpu_.stream));
}

const char* name_of(cuda::Format format) {
  return cuda::row_of(format).name;
}

at::Tensor poisoned(const Gpu& gpu, at::IntArrayRef shape, at::ScalarType dtype) {
  const at::Tensor tensor = at::empty(shape, at::TensorOptions(gpu.device).dtype(dtype));
  if (tensor.numel() > 0) tensor.view(at::kByte).fill_(0xFF);
  return tensor;
}

}  // namespace glm
