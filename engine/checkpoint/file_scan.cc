#include "engine/checkpoint/file_scan.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <span>
#include <system_error>
#include <thread>

#include "base/cpu_count.h"
#include "base/refuse.h"
#include "base/sha256.h"
#include "engine/checkpoint/number_watch.h"
#include "glm/cancel.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kBlock = 2 << 20;  // bytes of a read; two blocks stay in a core's cache
constexpr uint64_t kPage = 4096;      // bytes; O_DIRECT wants files and memory in such pieces
constexpr auto kBetweenTellings = std::chrono::milliseconds(100);

// Has a thread that does one job at a time. Meanwhile its owner does something else.
class Helper {
 public:
  Helper() : thread_([this] { work(); }) {}
  ~Helper() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  // Starts a job, which may not throw. The job before it has to be finished.
  void start(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = std::move(job);
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !job_; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ending_ || job_; });
      if (!job_) return;
      lock.unlock();
      job_();
      lock.lock();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> job_;
  bool ending_ = false;
  std::thread thread_;
};

// Reads a file block by block. A block that is in the system's cache is copied from there. Other blocks are read past
// the cache, because filling it takes more of a processor's time than hashing does.
class BlockFile {
 public:
  explicit BlockFile(const fs::path& file) : descriptor_(opened(file, 0)) {
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
      problem_ = std::string("can't be opened (") + std::strerror(errno) + ")";
      return;
    }
    if (!S_ISREG(status.st_mode)) {
      problem_ = "is no regular file";
      return;
    }
    size_ = static_cast<uint64_t>(status.st_size);
    if (size_ == 0) return;
    past_cache_ = opened(file, O_DIRECT);  // -1 where the file system can't
    void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
    if (address != MAP_FAILED) mapped_ = address;
  }
  ~BlockFile() {
    if (mapped_ != nullptr) ::munmap(mapped_, size_);
    if (past_cache_ >= 0) ::close(past_cache_);
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;

  uint64_t size() const { return size_; }
  const std::string& problem() const { return problem_; }

  // Reads `count` bytes from `begin` on, a multiple of kPage. to: aligned to kPage, with room for whole pages. Returns
  // what went wrong, or "".
  std::string read(char* to, uint64_t begin, uint64_t count) {
    uint64_t done = 0;
    if (past_cache_ >= 0 && !is_cached(begin, count)) {
      const uint64_t whole = (count + kPage - 1) / kPage * kPage;
      const ssize_t n = ::pread(past_cache_, to, whole, static_cast<off_t>(begin));
      if (n > 0) done = std::min(static_cast<uint64_t>(n), count);
    }
    while (done < count) {
      const ssize_t n = ::pread(descriptor_, to + done, count - done, static_cast<off_t>(begin + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        return "can't be read from byte " + std::to_string(begin + done) + " on (" + std::strerror(errno) + ")";
      if (n == 0) return "has become shorter while it was read: it ends at byte " + std::to_string(begin + done);
      done += static_cast<uint64_t>(n);
    }
    return "";
  }

 private:
  static int opened(const fs::path& file, int flags) {
    return ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
  }

  // Asks the system which pages of the mapping are in memory. Nothing reads the mapping's bytes.
  bool is_cached(uint64_t begin, uint64_t count) {
    unsigned char pages[kBlock / kPage];
    if (mapped_ == nullptr || ::mincore(static_cast<char*>(mapped_) + begin, count, pages) != 0) return true;
    const uint64_t all = (count + kPage - 1) / kPage;
    return std::all_of(pages, pages + all, [](unsigned char page) { return (page & 1) != 0; });
  }

  int descriptor_;
  int past_cache_ = -1;
  void* mapped_ = nullptr;
  uint64_t size_ = 0;
  std::string problem_;
};

// The hashes of one file.
struct Hashes {
  Hashes(const FileToScan& file, uint64_t size) {
    if (file.sha256) sha256.emplace();
    if (file.git_name) git_name.emplace(size);
  }
  bool wanted() const { return sha256 || git_name; }
  void add(std::span<const uint8_t> bytes) {
    if (sha256) sha256->add(bytes);
    if (git_name) git_name->add(bytes);
  }
  std::optional<Sha256> sha256;
  std::optional<GitBlobName> git_name;
};

// Scans one file after the other. Each thread has its own.
class Scanner {
 public:
  explicit Scanner(const std::atomic<bool>& stop, std::atomic<int64_t>* done) : stop_(stop), done_(done) {}

  ScannedFile scan(const FileToScan& file) {
    ScannedFile found;
    BlockFile in(file.path);
    found.problem = in.problem();
    if (found.problem.empty()) read_all(file, in, found);
    return found;
  }

 private:
  // The hashes of a block are computed while the next one is read and looked at.
  void read_all(const FileToScan& file, BlockFile& in, ScannedFile& found) {
    const uint64_t size = in.size();
    std::optional<NumberWatch> numbers;
    if (file.weights != nullptr) numbers.emplace(*file.weights);
    Hashes hashes(file, size);
    for (size_t turn = 0; found.bytes < size && found.problem.empty() && !stop_; ++turn) {
      char* const block = block_of(turn);
      const uint64_t count = std::min(kBlock, size - found.bytes);
      found.problem = in.read(block, found.bytes, count);
      if (!found.problem.empty()) break;
      if (numbers) {
        std::memcpy(block - kWidestNumber, before_, kWidestNumber);
        std::memcpy(before_, block + count - std::min(count, kWidestNumber), std::min(count, kWidestNumber));
        numbers->see(block, count);
      }
      if (hashes.wanted()) {
        helper_.wait();
        helper_.start([&hashes, block, count] { hashes.add({reinterpret_cast<const uint8_t*>(block), count}); });
      }
      found.bytes += count;
      *done_ += static_cast<int64_t>(count);
    }
    helper_.wait();
    if (!found.problem.empty() || stop_) return;
    if (numbers) found.tensors = numbers->result();
    if (hashes.sha256) found.sha256 = hashes.sha256->hex();
    if (hashes.git_name) found.git_name = hashes.git_name->hex();
  }

  // Before each block there is a page, which ends with what numbers have of the block before.
  char* block_of(size_t turn) { return memory_.get() + kPage + turn % 2 * (kBlock + kPage); }

  struct Free {
    void operator()(char* memory) const { ::operator delete (memory, std::align_val_t{kPage}); }
  };
  const std::atomic<bool>& stop_;
  std::atomic<int64_t>* done_;
  char before_[kWidestNumber] = {};
  std::unique_ptr<char, Free> memory_{
      static_cast<char*>(::operator new (2 * (kBlock + kPage), std::align_val_t{kPage}))};
  Helper helper_;
};

// Hands the files out to its threads, the largest first.
class Scan {
 public:
  explicit Scan(const std::vector<FileToScan>& files) : files_(files), order_(files.size()), found_(files.size()) {
    std::vector<uint64_t> sizes;
    sizes.reserve(files.size());
    for (const FileToScan& file : files) {
      std::error_code none;
      const uint64_t size = fs::file_size(file.path, none);
      sizes.push_back(none ? 0 : size);
      total_ += static_cast<int64_t>(sizes.back());
    }
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  }
  ~Scan() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Scan(const Scan&) = delete;
  Scan& operator=(const Scan&) = delete;

  std::vector<ScannedFile> run(const std::function<void(int64_t, int64_t)>& progress, const CancelToken* cancel) {
    start_threads(std::min(static_cast<size_t>(cpu_count()), files_.size()));
    std::unique_lock lock(mutex_);
    while (working_ > 0) {
      changed_.wait_for(lock, kBetweenTellings, [&] { return working_ == 0; });
      lock.unlock();
      throw_if_cancelled(cancel);
      if (progress) progress(done_, total_);
      lock.lock();
    }
    if (failure_) std::rethrow_exception(failure_);
    return std::move(found_);
  }

 private:
  // Starts up to `count` threads. If the system gives fewer, those do all the work. If it gives none, throws
  // Error(memory).
  void start_threads(size_t count) {
    threads_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      try {
        ++working_;
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        const std::lock_guard lock(mutex_);
        --working_;
        if (i == 0) refuse(ErrorCode::memory, "", "a thread to read with", "none", "close other programs");
        return;
      }
    }
  }

  void work() {
    try {
      Scanner scanner(stop_, &done_);
      for (size_t i = next_++; i < order_.size() && !stop_; i = next_++) {
        found_[order_[i]] = scanner.scan(files_[order_[i]]);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      stop_ = true;
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  const std::vector<FileToScan>& files_;
  std::vector<size_t> order_;  // indices of files_
  std::vector<ScannedFile> found_;
  int64_t total_ = 0;
  std::atomic<int64_t> done_ = 0;
  std::atomic<size_t> next_ = 0;  // index of order_
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<size_t> working_ = 0;  // threads
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::vector<ScannedFile> scan_files(const std::vector<FileToScan>& files,
                                    const std::function<void(int64_t done, int64_t total)>& progress,
                                    const CancelToken* cancel) {
  return Scan(files).run(progress, cancel);
}

}  // namespace glm
