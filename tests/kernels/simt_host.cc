#include "tests/kernels/simt_host.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// Saves the caller's registers and stack pointer at *from and goes on where `to` was saved. By hand, since swapcontext
// makes a system call each time, and blocks of 1,024 threads change fibers a million times. x86-64 only.
extern "C" void glm_switch_fiber(void** from, void* to);
asm(R"(
.text
.globl glm_switch_fiber
.type glm_switch_fiber, @function
glm_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size glm_switch_fiber, .-glm_switch_fiber
)");

namespace glm::simt {
namespace host {

Running running{};

namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxShared = 227 * 1024;  // of a block on Hopper
constexpr int64_t kMargin = 4096;           // poisoned memory before and behind the shared one
constexpr int64_t kStack = 64 * 1024;
constexpr int64_t kPage = 4096;
constexpr int kPoison = 0xFF;  // NaN as fp32 and bf16, -1 as an integer

struct Copy {
  char* to;
  const char* from;
  int bytes;
  int64_t group;
};

struct Fiber {
  void* stack_pointer = nullptr;
  bool done = false;
  const char* operation = nullptr;  // what it waits in
  Where where;
  std::vector<Copy> copies;
  int64_t groups = 0;  // committed ones
  uint32_t exchanges = 0;
};

// Where threads wait for each other.
struct Barrier {
  std::vector<int> waiting;
  const char* operation = nullptr;
  Where where;
};

struct Warp {
  Barrier barrier;
  std::array<Deposit, 32> deposits[2];  // by turns: a lane may bring its next before another has read
};

std::string text(const Where& where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

class Machine {
 public:
  Machine();
  void run(const Launch& launch, const std::function<void()>& body);
  void wait(Barrier& barrier, const char* operation, const Where& where, int count);
  Warp& warp() { return warps_[running.thread / 32]; }
  Fiber& fiber() { return fibers_[running.thread]; }
  void check_shared(const char* to, int bytes, const Where& where);
  Barrier block;

 private:
  static void fiber_main();
  void run_block();
  void start(int thread);
  void stop_if_divergent();
  void check_margins();

  std::vector<Fiber> fibers_{kMaxThreads};
  std::vector<Warp> warps_{kMaxThreads / 32};
  std::vector<int> order_;  // of the threads
  std::deque<int> ready_;
  std::vector<char> shared_;
  int64_t shared_bytes_ = 0;
  char* stacks_;  // each with a page below it that can't be touched
  void* scheduler_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr error_;
};

Machine& machine() {
  static Machine the_machine;
  return the_machine;
}

std::string place() {
  const Block b = running.block;
  return "block (" + std::to_string(b.x) + ", " + std::to_string(b.y) + ", " + std::to_string(b.z) + ") thread " +
         std::to_string(running.thread);
}

// A body that leaves its memory, or its stack, ends the test; this says which thread it was.
void on_bad_address(int signal_number) {
  const std::string message = "a body touched memory that isn't its own: " + place() + "\n";
  if (write(STDERR_FILENO, message.data(), message.size()) < 0) _exit(1);
  signal(signal_number, SIG_DFL);
}

Machine::Machine() : shared_(kMaxShared + 2 * kMargin + 16) {
  stacks_ = static_cast<char*>(mmap(nullptr, kMaxThreads * (kStack + kPage), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (stacks_ == MAP_FAILED) throw std::runtime_error("no memory for the stacks of a block");
  for (int i = 0; i < kMaxThreads; ++i) mprotect(stacks_ + i * (kStack + kPage), kPage, PROT_NONE);
  static std::array<char, 64 * 1024> signal_stack;
  stack_t alternative{};
  alternative.ss_sp = signal_stack.data();
  alternative.ss_size = signal_stack.size();
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = on_bad_address;
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

void Machine::fiber_main() {
  Machine& m = machine();
  try {
    (*m.body_)();
    if (!m.fiber().copies.empty())
      fail("a thread ends with a background copy that nobody waited for", Where::current());
  } catch (...) {
    m.error_ = std::current_exception();
  }
  m.fiber().done = true;
  glm_switch_fiber(&m.fiber().stack_pointer, m.scheduler_);
}

void Machine::start(int thread) {
  fibers_[thread] = Fiber{};
  auto** top = reinterpret_cast<void**>(stacks_ + (thread + 1) * (kStack + kPage));
  top[-1] = nullptr;  // where fiber_main would return to
  top[-2] = reinterpret_cast<void*>(&fiber_main);
  std::fill(top - 8, top - 2, nullptr);
  fibers_[thread].stack_pointer = top - 8;
}

void Machine::run_block() {
  std::memset(running.shared - kMargin, kPoison, shared_bytes_ + 2 * kMargin);
  block = {};
  for (int i = 0; i < running.threads / 32; ++i) warps_[i] = {};
  ready_.assign(order_.begin(), order_.end());
  for (const int thread : order_) start(thread);
  while (!ready_.empty()) {
    running.thread = ready_.front();
    ready_.pop_front();
    glm_switch_fiber(&scheduler_, fibers_[running.thread].stack_pointer);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }
  stop_if_divergent();
  check_margins();
}

void Machine::wait(Barrier& barrier, const char* operation, const Where& where, int count) {
  if (barrier.waiting.empty()) {
    barrier.operation = operation;
    barrier.where = where;
  } else if (barrier.operation != operation || barrier.where.line() != where.line() ||
             barrier.where.file_name() != where.file_name()) {
    fail(std::string(operation) + ", while others are in " + barrier.operation + " at " + text(barrier.where), where);
  }
  if (static_cast<int>(barrier.waiting.size()) + 1 == count) {
    ready_.insert(ready_.end(), barrier.waiting.begin(), barrier.waiting.end());
    barrier.waiting.clear();
    return;
  }
  barrier.waiting.push_back(running.thread);
  fiber().operation = operation;
  fiber().where = where;
  glm_switch_fiber(&fiber().stack_pointer, scheduler_);
}

void Machine::stop_if_divergent() {
  const auto end = fibers_.begin() + running.threads;
  const auto waiting = std::count_if(fibers_.begin(), end, [](const Fiber& f) { return !f.done; });
  if (waiting == 0) return;
  const auto first = std::find_if(fibers_.begin(), end, [](const Fiber& f) { return !f.done; });
  running.thread = static_cast<int>(first - fibers_.begin());
  fail(std::to_string(waiting) + " of " + std::to_string(running.threads) +
           " threads wait for ones that don't come, this one in " + first->operation,
       first->where);
}

void Machine::check_margins() {
  const auto poisoned = [](const char* begin, const char* end) {
    return std::all_of(begin, end, [](char c) { return c == static_cast<char>(kPoison); });
  };
  const char* end = running.shared + shared_bytes_;
  if (!poisoned(running.shared - kMargin, running.shared) || !poisoned(end, end + kMargin)) {
    fail("the block wrote outside of its shared memory", Where::current());
  }
}

void Machine::check_shared(const char* to, int bytes, const Where& where) {
  if (to < running.shared || to + bytes > running.shared + shared_bytes_) {
    fail("a background copy goes outside of the shared memory", where);
  }
}

void Machine::run(const Launch& launch, const std::function<void()>& body) {
  if (launch.threads < 32 || launch.threads > kMaxThreads || launch.threads % 32 != 0) {
    throw std::runtime_error("a block can't have " + std::to_string(launch.threads) + " threads");
  }
  if (launch.shared_bytes < 0 || launch.shared_bytes > kMaxShared) {
    throw std::runtime_error("a block can't have " + std::to_string(launch.shared_bytes) + " bytes of shared memory");
  }
  const Block grid = launch.grid;
  std::vector<int> blocks(static_cast<size_t>(grid.x) * grid.y * grid.z);
  std::iota(blocks.begin(), blocks.end(), 0);
  order_.resize(launch.threads);
  std::iota(order_.begin(), order_.end(), 0);
  std::mt19937_64 generator(launch.order);
  if (launch.order != 0) {
    std::shuffle(blocks.begin(), blocks.end(), generator);
    std::shuffle(order_.begin(), order_.end(), generator);
  }
  shared_bytes_ = launch.shared_bytes;
  body_ = &body;
  const auto first = reinterpret_cast<uintptr_t>(shared_.data() + kMargin);
  running = {0, launch.threads, {}, grid, reinterpret_cast<char*>((first + 15) / 16 * 16)};
  for (const int i : blocks) {
    running.block = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
    run_block();
  }
}

}  // namespace

void fail(const std::string& what, const Where& where) {
  throw std::runtime_error(place() + " at " + text(where) + ": " + what);
}

void block_barrier(const Where& where) {
  machine().wait(machine().block, "sync", where, running.threads);
}

const std::array<Deposit, 32>& exchange(const char* operation, const Deposit& deposit, const Where& where) {
  Warp& warp = machine().warp();
  std::array<Deposit, 32>& deposits = warp.deposits[machine().fiber().exchanges++ % 2];
  deposits[running.thread % 32] = deposit;
  machine().wait(warp.barrier, operation, where, 32);
  return deposits;
}

void copy_async(void* shared_to, const void* from, int bytes, const Where& where) {
  check_aligned(shared_to, bytes, where);
  check_aligned(from, bytes, where);
  auto* to = static_cast<char*>(shared_to);
  machine().check_shared(to, bytes, where);
  Fiber& fiber = machine().fiber();
  fiber.copies.push_back({to, static_cast<const char*>(from), bytes, fiber.groups});
  std::memset(to, kPoison, bytes);
}

void copy_async_commit() {
  ++machine().fiber().groups;
}

void copy_async_wait(int left) {
  Fiber& fiber = machine().fiber();
  auto copy = fiber.copies.begin();
  for (; copy != fiber.copies.end() && copy->group < fiber.groups - left; ++copy) {
    std::memcpy(copy->to, copy->from, copy->bytes);
  }
  fiber.copies.erase(fiber.copies.begin(), copy);
}

void check_aligned(const void* address, int bytes, const Where& where) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) fail("a misaligned address", where);
}

uint16_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return 0x7FFF;
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

uint16_t multiply_bf16(uint16_t a, uint16_t b) {
  const float product = bf16_to_float(a) * bf16_to_float(b);  // exact unless it is subnormal
  if (product == 0 || !std::isfinite(product) || std::abs(product) >= std::numeric_limits<float>::min()) {
    return round_to_bf16(product);
  }
  const double exact = static_cast<double>(bf16_to_float(a)) * bf16_to_float(b);
  return round_to_bf16(static_cast<float>(std::nearbyint(exact * 0x1p133) * 0x1p-133));
}

}  // namespace host

void launch(const Launch& launch, const std::function<void()>& body) {
  host::machine().run(launch, body);
}

void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const host::Where& where) {
  const auto& lanes = host::exchange("mma", {a[0], a[1], a[2], a[3], b0, b1}, where);
  const auto half = [](uint32_t word, int k) { return host::bf16_to_float(k % 2 == 0 ? word & 0xFFFF : word >> 16); };
  const int g = thread() % 32 / 4;
  const int t = thread() % 4;
  for (int i = 0; i < 4; ++i) {
    double sum = c[i];
    for (int k = 0; k < 16; ++k) {
      const host::Deposit& of_a = lanes[4 * g + k % 8 / 2];
      const host::Deposit& of_b = lanes[4 * (2 * t + i % 2) + k % 8 / 2];
      sum += static_cast<double>(half(of_a[i / 2 + 2 * (k / 8)], k)) * half(of_b[4 + k / 8], k);
    }
    c[i] = static_cast<float>(sum);
  }
}

Words4 load16(const void* from, const host::Where& where) {
  host::check_aligned(from, 16, where);
  Words4 v;
  std::memcpy(&v, from, 16);
  return v;
}

void store16(void* to, const Words4& v, const host::Where& where) {
  host::check_aligned(to, 16, where);
  std::memcpy(to, &v, 16);
}

}  // namespace glm::simt
