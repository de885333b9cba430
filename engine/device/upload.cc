#include "engine/device/upload.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/cpu_count.h"

namespace glm {
namespace {

constexpr int kMostThreads = 16;
constexpr int64_t kLeastPiece = int64_t{1} << 20;  // bytes; less isn't worth a copy to the device of its own

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

// Threads that copy pieces, begun in order. ATen's threads would not do: there are only as many as the engine's caller
// computes with, they all wait for each other after each piece, and they sleep between two pieces.
class Uploader::Copiers {
 public:
  explicit Copiers(int threads) {
    try {
      for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    } catch (const std::system_error&) {  // fewer threads will do, even none, because wait_for_next() copies, too
    }
  }
  ~Copiers() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Copiers(const Copiers&) = delete;
  Copiers& operator=(const Copiers&) = delete;

  // Adds a piece for the threads. `read` has to live until the piece has been waited for.
  void start(const ReadBytes& read, int64_t offset, char* to, int64_t size) {
    {
      const std::lock_guard lock(mutex_);
      pieces_.push_back({.read = &read, .offset = offset, .to = to, .size = size, .failure = nullptr});
    }
    changed_.notify_one();
  }

  // For use after a failure: forgets the pieces that nobody has begun and waits for the others, because what they read
  // from may be gone afterwards.
  void drop() {
    std::unique_lock lock(mutex_);
    while (pieces_.size() > begun_) pieces_.pop_back();
    copied_.wait(lock,
                 [this] { return std::all_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.done; }); });
    pieces_.clear();
    begun_ = 0;
  }

  // Waits until the oldest piece that hasn't been waited for is copied. The caller copies pieces, too, meanwhile.
  // Throws what reading that piece threw.
  void wait_for_next() {
    std::unique_lock lock(mutex_);
    while (!pieces_.front().done) {
      if (!copy_one(lock)) copied_.wait(lock);
    }
    const std::exception_ptr failure = pieces_.front().failure;
    pieces_.pop_front();
    --begun_;
    if (failure != nullptr) std::rethrow_exception(failure);
  }

 private:
  struct Piece {
    const ReadBytes* read;
    int64_t offset;
    char* to;
    int64_t size;
    std::exception_ptr failure;
    bool done = false;
  };

  // Copies the oldest piece that nobody has begun. Returns false when there is none.
  bool copy_one(std::unique_lock<std::mutex>& lock) {
    if (begun_ == pieces_.size()) return false;
    Piece& piece = pieces_[begun_++];  // stays where it is when others are added or removed at the deque's ends
    lock.unlock();
    try {
      (*piece.read)(piece.offset, piece.to, piece.size);
    } catch (...) {
      piece.failure = std::current_exception();
    }
    lock.lock();
    piece.done = true;
    copied_.notify_one();
    return true;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      if (!copy_one(lock)) changed_.wait(lock);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_, copied_;
  std::deque<Piece> pieces_;  // those that were started and not waited for, the oldest first
  size_t begun_ = 0;          // how many of them somebody copies or has copied: the first ones
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

Uploader::Uploader(at::Device device, int64_t buffer_bytes, int threads)
    : device_(device), buffer_bytes_(buffer_bytes) {
  const int count = threads > 0 ? threads : std::min(cpu_count(), kMostThreads);
  const at::Tensor memory =
      at::empty({int64_t{2} * count, buffer_bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
  for (int i = 0; i < 2 * count; ++i) {
    Buffer& buffer = buffers_.emplace_back();
    buffer.memory = memory[i];
    if (!device.is_cpu()) buffer.taken.emplace(device.type());
  }
  copiers_ = std::make_unique<Copiers>(count - 1);  // the caller is the last one
}

Uploader::~Uploader() = default;

at::Tensor Uploader::upload(const at::Tensor& cpu) {
  const at::Tensor source = cpu.contiguous();
  const auto* const from = static_cast<const char*>(source.const_data_ptr());
  return upload(source.sizes(), source.scalar_type(), [from](int64_t offset, char* to, int64_t size) {
    std::memcpy(to, from + offset, static_cast<size_t>(size));
  });
}

at::Tensor Uploader::upload(at::IntArrayRef shape, at::ScalarType dtype, const ReadBytes& read) {
  const auto begin = Clock::now();
  at::Tensor result = at::empty(shape, at::TensorOptions(dtype).device(device_));
  if (result.numel() == 0) return result;
  try {
    send(read, static_cast<int64_t>(result.nbytes()), result.view({-1}).view(at::kByte));
  } catch (...) {
    copiers_->drop();
    throw;
  }
  bytes_ += static_cast<int64_t>(result.nbytes());
  seconds_ += seconds_since(begin);
  return result;
}

// Half of the buffers are filled while the device fetches the other half. A tensor that needs few buffers is cut into
// smaller pieces, so that all threads take part. to: u8 [size]
void Uploader::send(const ReadBytes& read, int64_t size, const at::Tensor& to) {
  const auto filling = static_cast<int64_t>(buffers_.size() / 2);
  const int64_t piece = std::min(buffer_bytes_, std::max(kLeastPiece, (size + filling - 1) / filling));
  const int64_t pieces = (size + piece - 1) / piece;
  const size_t first = next_;
  const auto buffer_of = [&](int64_t k) -> Buffer& {
    return buffers_[(first + static_cast<size_t>(k)) % buffers_.size()];
  };
  const auto size_of = [&](int64_t k) { return std::min(piece, size - k * piece); };
  for (int64_t k = 0; k < pieces + filling; ++k) {
    if (const int64_t filled = k - filling; filled >= 0 && filled < pieces) {
      copiers_->wait_for_next();
      Buffer& buffer = buffer_of(filled);
      at::Tensor target = to.slice(0, filled * piece, filled * piece + size_of(filled));
      target.copy_(buffer.memory.slice(0, 0, size_of(filled)), /*non_blocking=*/true);
      if (buffer.taken) buffer.taken->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    }
    if (k < pieces) {
      Buffer& buffer = buffer_of(k);
      if (buffer.taken) buffer.taken->synchronize();
      copiers_->start(read, k * piece, static_cast<char*>(buffer.memory.mutable_data_ptr()), size_of(k));
    }
  }
  next_ = (first + static_cast<size_t>(pieces)) % buffers_.size();
}

void Uploader::finish() {
  const auto begin = Clock::now();
  for (Buffer& buffer : buffers_) {
    if (buffer.taken) buffer.taken->synchronize();
  }
  seconds_ += seconds_since(begin);
}

}  // namespace glm
