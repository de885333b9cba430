// Copies tensors of mapped files to a device through pinned memory: while the device fetches one buffer, the CPU's
// threads fill the next.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace glm {

class Uploader {
 public:
  // Buffers of `buffer_bytes` each are allocated once. On the CPU, which tests use, they are plain memory.
  explicit Uploader(at::Device device, int64_t buffer_bytes = int64_t{64} << 20);

  at::Device device() const { return device_; }

  // A copy on the device, of the tensor's type, for the device's current stream to use. May be still on its way there;
  // `cpu` isn't needed any more.
  at::Tensor upload(const at::Tensor& cpu);

  // Waits for what is on its way.
  void finish();

  // All that was uploaded, and how long upload() and finish() took.
  int64_t bytes() const { return bytes_; }
  double seconds() const { return seconds_; }

 private:
  struct Buffer {
    at::Tensor memory;                // u8
    std::optional<c10::Event> taken;  // when the device has fetched what was written last
  };
  void fill(const char* from, int64_t size, const at::Tensor& to);

  at::Device device_;
  int64_t buffer_bytes_;
  std::vector<Buffer> buffers_;
  size_t next_ = 0;
  int64_t bytes_ = 0;
  double seconds_ = 0;
};

}  // namespace glm
