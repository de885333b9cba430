// A GPU for tests and measurements: LibTorch's CUDA library, ours, and a stream that both queue on.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "engine/device/device.h"
#include "kernels/cuda/library.h"

namespace glm {

struct Gpu {
  at::Device device;
  CudaDevice about;
  const cuda::Library* library;
  void* stream;  // cudaStream_t of the pool, ATen's current one
};

// The first GPU, opened once in a process; call it before anything is computed. Null: `why_not` says what is missing.
const Gpu* open_gpu(std::string* why_not);

using Calls = std::vector<cuda::Call>;

// Queues the calls behind what ATen has queued. Throws std::runtime_error with the library's text.
void run(const Gpu& gpu, const Calls& calls);

// Calls that are replayed.
class Graph {
 public:
  Graph(const Gpu& gpu, const Calls& calls);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay(int times) const;

 private:
  const Gpu& gpu_;
  void* graph_ = nullptr;
};

const char* name_of(cuda::Format format);

// Every byte 0xFF: NaN, or -1.
at::Tensor poisoned(const Gpu& gpu, at::IntArrayRef shape, at::ScalarType dtype);

template <typename T>
T* data_of(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}
inline cuda::bf16_bits* bf16_of(const at::Tensor& tensor) {
  return data_of<cuda::bf16_bits>(tensor);
}

}  // namespace glm
