// Copies tensors of files to a device through pinned memory. While the device fetches some buffers, threads fill the
// next ones.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace glm {

// Copies `size` of a tensor's bytes, from its byte `offset` on, to `to`. It is called on several threads at once.
using ReadBytes = std::function<void(int64_t offset, char* to, int64_t size)>;

// Only one thread may use an Uploader at a time.
class Uploader {
 public:
  // Allocates two buffers of `buffer_bytes` for each thread, once. The thread that calls upload() is one of them. The
  // buffers are pinned memory; for the CPU, which tests use, they are plain memory. threads: 0 takes as many as the
  // machine has, up to 16.
  explicit Uploader(at::Device device, int64_t buffer_bytes = int64_t{4} << 20, int threads = 0);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  at::Device device() const { return device_; }

  // Returns a copy on the device, of the same shape and dtype, for the device's current stream to use. The copy may
  // still be on its way there, but `cpu` isn't needed any more.
  at::Tensor upload(const at::Tensor& cpu);
  // Does the same for a dense tensor whose bytes `read` gives. Throws what `read` throws.
  at::Tensor upload(at::IntArrayRef shape, at::ScalarType dtype, const ReadBytes& read);

  // Waits until all copies are on the device.
  void finish();

  // How many bytes were uploaded so far, and how long upload() and finish() took for them.
  int64_t bytes() const { return bytes_; }
  double seconds() const { return seconds_; }

 private:
  class Copiers;
  struct Buffer {
    at::Tensor memory;                // u8
    std::optional<c10::Event> taken;  // happens when the device has fetched what was last written; none on the CPU
  };
  void send(const ReadBytes& read, int64_t size, const at::Tensor& to);

  at::Device device_;
  int64_t buffer_bytes_;
  std::vector<Buffer> buffers_;
  size_t next_ = 0;
  int64_t bytes_ = 0;
  double seconds_ = 0;
  std::unique_ptr<Copiers> copiers_;  // the last member, so that its threads end before the buffers go
};

}  // namespace glm
