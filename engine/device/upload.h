// Copies tensors of files to a device through pinned memory: while the device fetches some buffers, threads fill the
// next.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace glm {

// Copies `size` of a tensor's bytes, from `offset` on, to `to`. Called on several threads at once.
using ReadBytes = std::function<void(int64_t offset, char* to, int64_t size)>;

class Uploader {
 public:
  // Threads of its own, up to 16, and two buffers of `buffer_bytes` each for a thread, allocated once. On the CPU,
  // which tests use, they are plain memory. threads: 0 takes what the machine has.
  explicit Uploader(at::Device device, int64_t buffer_bytes = int64_t{4} << 20, int threads = 0);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  at::Device device() const { return device_; }

  // A copy on the device, of the tensor's type, for the device's current stream to use. May be still on its way there;
  // `cpu` isn't needed any more.
  at::Tensor upload(const at::Tensor& cpu);
  // The same of a dense tensor whose bytes `read` gives. Throws what it throws.
  at::Tensor upload(at::IntArrayRef shape, at::ScalarType dtype, const ReadBytes& read);

  // Waits for what is on its way.
  void finish();

  // All that was uploaded, and how long upload() and finish() took.
  int64_t bytes() const { return bytes_; }
  double seconds() const { return seconds_; }

 private:
  class Copiers;
  struct Buffer {
    at::Tensor memory;                // u8
    std::optional<c10::Event> taken;  // when the device has fetched what was written last
  };
  void send(const ReadBytes& read, int64_t size, const at::Tensor& to);

  at::Device device_;
  int64_t buffer_bytes_;
  std::vector<Buffer> buffers_;
  size_t next_ = 0;
  int64_t bytes_ = 0;
  double seconds_ = 0;
  std::unique_ptr<Copiers> copiers_;  // the last: its threads write to buffers
};

}  // namespace glm
