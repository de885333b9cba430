#include "engine/upload.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace glm {
namespace {

constexpr int kBuffers = 3;                          // one is fetched, one waits, one is filled
constexpr int64_t kWorthAThread = int64_t{1} << 20;  // bytes

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Uploader::Uploader(at::Device device, int64_t buffer_bytes) : device_(device), buffer_bytes_(buffer_bytes) {
  for (int i = 0; i < kBuffers; ++i) {
    Buffer& buffer = buffers_.emplace_back();
    buffer.memory = at::empty({buffer_bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
    if (!device.is_cpu()) buffer.taken.emplace(device.type());
  }
}

at::Tensor Uploader::upload(const at::Tensor& cpu) {
  const auto begin = Clock::now();
  const at::Tensor source = cpu.contiguous();
  at::Tensor result = at::empty(source.sizes(), source.options().device(device_));
  if (source.numel() == 0) return result;
  fill(static_cast<const char*>(source.const_data_ptr()), static_cast<int64_t>(source.nbytes()),
       result.view({-1}).view(at::kByte));
  bytes_ += static_cast<int64_t>(source.nbytes());
  seconds_ += seconds_since(begin);
  return result;
}

void Uploader::fill(const char* from, int64_t size, const at::Tensor& to) {
  for (int64_t done = 0; done < size; done += buffer_bytes_) {
    Buffer& buffer = buffers_[next_];
    next_ = (next_ + 1) % buffers_.size();
    if (buffer.taken) buffer.taken->synchronize();
    const int64_t part = std::min(buffer_bytes_, size - done);
    auto* const staged = static_cast<char*>(buffer.memory.mutable_data_ptr());
    at::parallel_for(0, part, kWorthAThread, [&](int64_t first, int64_t last) {
      std::memcpy(staged + first, from + done + first, static_cast<size_t>(last - first));
    });
    at::Tensor target = to.slice(0, done, done + part);
    target.copy_(buffer.memory.slice(0, 0, part), /*non_blocking=*/true);
    if (buffer.taken) buffer.taken->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
}

void Uploader::finish() {
  const auto begin = Clock::now();
  for (Buffer& buffer : buffers_) {
    if (buffer.taken) buffer.taken->synchronize();
  }
  seconds_ += seconds_since(begin);
}

}  // namespace glm
