#include "tests/kernels/simt_host.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/kernels/fiber_switch.h"
#include "tests/support/sanitizer.h"

namespace glm::simt {
namespace host {

Running running{};
volatile char touch = 0;

namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxFibers = 8 * kMaxThreads;
constexpr int64_t kMaxShared = 227 * 1024;  // of a block on Hopper
constexpr int64_t kMargin = 4096;           // poisoned memory before and behind the shared one
constexpr int64_t kStack = (kSanitized ? 256 : 64) * 1024;
constexpr int64_t kPage = 4096;
constexpr int kPoison = 0xFF;  // NaN as fp32 and bf16, -1 as an integer

struct Copy {
  char* to;
  const char* from;
  int bytes;
  int64_t group;
};

struct Fiber {
  Stack stack;
  bool done = false;
  const char* operation = nullptr;  // what it waits in
  Where where;
  std::vector<Copy> copies;
  int64_t groups = 0;  // committed ones
  uint32_t exchanges = 0;
  uint64_t rank = 0;  // of those that can run, the lowest does
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

// A block that has begun.
struct Resident {
  Running running{};
  Barrier barrier;
  std::vector<Barrier> team_barriers;
  std::vector<Warp> warps;
  std::vector<char> memory;
  int left = 0;  // threads that haven't ended
};

class Machine {
 public:
  Machine();
  void run(const Launch& launch, const std::function<void()>& body);
  void wait(Barrier& barrier, const char* operation, const Where& where, int count);
  void wait_for_grid_barrier(const Where& where);
  void end_grid_barrier();
  int threads() const { return launch_.teams * launch_.threads; }  // of a block
  Resident& resident() { return residents_[current_ / threads()]; }
  Warp& warp() { return resident().warps[running.thread / 32]; }
  Fiber& fiber() { return fibers_[current_]; }
  void check_shared(const char* to, int bytes, const Where& where);

 private:
  static void fiber_main();
  void begin_block(int resident, int block);
  void start(int fiber);
  void rank(int begin, int count);
  void make_ready(int fiber);
  void turn_to(int fiber);
  void stop_if_divergent();
  void check_margins(const Resident& r);

  Launch launch_;
  const std::function<void()>* body_ = nullptr;
  std::vector<Fiber> fibers_{kMaxFibers};  // of one resident after another
  std::vector<Resident> residents_;
  std::priority_queue<std::pair<uint64_t, int>, std::vector<std::pair<uint64_t, int>>, std::greater<>> ready_;
  std::vector<int> waiting_for_grid_;
  uint64_t turns_ = 0;
  std::mt19937_64 generator_;
  int current_ = 0;
  char* stacks_;  // each with a page below it that can't be touched
  Stack scheduler_;
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

Machine::Machine() {
  stacks_ = static_cast<char*>(mmap(nullptr, kMaxFibers * (kStack + kPage), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (stacks_ == MAP_FAILED) throw std::runtime_error("no memory for the stacks of a block");
  for (int i = 0; i < kMaxFibers; ++i) mprotect(stacks_ + i * (kStack + kPage), kPage, PROT_NONE);
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
  arrive(m.scheduler_);
  try {
    (*m.body_)();
    if (!m.fiber().copies.empty())
      fail("a thread ends with a background copy that nobody waited for", Where::current());
  } catch (...) {
    m.error_ = std::current_exception();
  }
  m.fiber().done = true;
  --m.resident().left;
  switch_stack(m.fiber().stack, m.scheduler_, /*for_good=*/true);
}

void Machine::start(int fiber) {
  fibers_[fiber] = Fiber{};
  fibers_[fiber].stack = new_stack(stacks_ + fiber * (kStack + kPage) + kPage, kStack, &fiber_main);
}

// In turn; or, to be as unfair as a card may be, always the one of the lowest rank.
void Machine::make_ready(int fiber) {
  ready_.push({launch_.order == 0 ? turns_++ : fibers_[fiber].rank, fiber});
}

void Machine::turn_to(int fiber) {
  current_ = fiber;
  running = resident().running;
  running.thread = fiber % threads();
}

void Machine::begin_block(int resident, int block) {
  Resident& r = residents_[resident];
  const Block grid = launch_.grid;
  r.memory.assign(launch_.shared_bytes + 2 * kMargin + 16, static_cast<char>(kPoison));
  const auto first = reinterpret_cast<uintptr_t>(r.memory.data() + kMargin);
  r.running = {0,
               launch_.threads,
               launch_.teams,
               {block % grid.x, block / grid.x % grid.y, block / grid.x / grid.y},
               grid,
               reinterpret_cast<char*>((first + 15) / 16 * 16)};
  r.barrier = {};
  r.team_barriers.assign(launch_.teams, {});
  r.warps.assign(threads() / 32, {});
  r.left = threads();
  const int begin = resident * threads();
  for (int i = begin; i < begin + threads(); ++i) start(i);
  rank(begin, threads());
  for (int i = begin; i < begin + threads(); ++i) make_ready(i);
}

// Who of these fibers goes first from now on: by warp, then by lane.
void Machine::rank(int begin, int count) {
  if (launch_.order == 0) return;
  uint64_t of_warp = 0;
  for (int i = begin; i < begin + count; ++i) {
    if (i % 32 == 0) of_warp = generator_() >> 32 << 32;
    fibers_[i].rank = of_warp | generator_() >> 32;
  }
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
    if (&barrier == &resident().barrier) rank(current_ - running.thread, threads());
    if (&barrier == &resident().team_barriers[team()]) rank(current_ - thread(), launch_.threads);
    for (const int waiting : barrier.waiting) make_ready(waiting);
    barrier.waiting.clear();
    if (launch_.order == 0) return;
    make_ready(current_);
  } else {
    barrier.waiting.push_back(current_);
  }
  fiber().operation = operation;
  fiber().where = where;
  switch_stack(fiber().stack, scheduler_);
}

void Machine::wait_for_grid_barrier(const Where& where) {
  waiting_for_grid_.push_back(current_);
  fiber().operation = "wait_for_grid_barrier";
  fiber().where = where;
  switch_stack(fiber().stack, scheduler_);
}
void Machine::end_grid_barrier() {
  for (const int waiting : waiting_for_grid_) make_ready(waiting);
  waiting_for_grid_.clear();
}

void Machine::stop_if_divergent() {
  for (size_t i = 0; i < residents_.size(); ++i) {
    if (residents_[i].left == 0) continue;
    const auto begin = fibers_.begin() + static_cast<int64_t>(i) * threads();
    const auto first = std::find_if(begin, begin + threads(), [](const Fiber& f) { return !f.done; });
    turn_to(static_cast<int>(first - fibers_.begin()));
    fail(std::to_string(residents_[i].left) + " of " + std::to_string(threads()) +
             " threads wait for ones that don't come, this one in " + first->operation,
         first->where);
  }
}

void Machine::check_margins(const Resident& r) {
  const auto poisoned = [](const char* begin, const char* end) {
    return std::all_of(begin, end, [](char c) { return c == static_cast<char>(kPoison); });
  };
  const char* end = r.running.shared + launch_.shared_bytes;
  if (!poisoned(r.memory.data(), r.running.shared) || !poisoned(end, r.memory.data() + r.memory.size())) {
    fail("the block wrote outside of its shared memory", Where::current());
  }
}

void Machine::check_shared(const char* to, int bytes, const Where& where) {
  if (to < running.shared || to + bytes > running.shared + launch_.shared_bytes) {
    fail("a background copy goes outside of the shared memory", where);
  }
}

void Machine::run(const Launch& launch, const std::function<void()>& body) {
  if (launch.threads < 32 || launch.teams < 1 || launch.teams * launch.threads > kMaxThreads ||
      launch.threads % 32 != 0) {
    throw std::runtime_error("a block can't have " + std::to_string(launch.teams * launch.threads) + " threads");
  }
  if (launch.shared_bytes < 0 || launch.shared_bytes > kMaxShared) {
    throw std::runtime_error("a block can't have " + std::to_string(launch.shared_bytes) + " bytes of shared memory");
  }
  launch_ = launch;
  body_ = &body;
  ready_ = {};
  waiting_for_grid_.clear();
  generator_.seed(launch.order);
  const int count = launch.grid.x * launch.grid.y * launch.grid.z;
  std::vector<int> blocks(count);
  std::iota(blocks.begin(), blocks.end(), 0);
  if (launch.order != 0) std::shuffle(blocks.begin(), blocks.end(), generator_);
  const int most = kMaxFibers / threads();
  if (launch.together && count > most) throw std::runtime_error("so many threads can't run together");
  const int at_once = launch.order == 0 && !launch.together ? 1 : std::min(count, most);
  residents_.resize(at_once);
  int next = 0;
  for (int i = 0; i < at_once; ++i) begin_block(i, blocks[next++]);
  while (!ready_.empty()) {
    turn_to(ready_.top().second);
    ready_.pop();
    switch_stack(scheduler_, fiber().stack);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if (resident().left > 0) continue;
    check_margins(resident());
    if (next < count) begin_block(current_ / launch.threads, blocks[next++]);
  }
  stop_if_divergent();
}

}  // namespace

void fail(const std::string& what, const Where& where) {
  throw std::runtime_error(place() + " at " + text(where) + ": " + what);
}

void block_barrier(const Where& where) {
  machine().wait(machine().resident().barrier, "sync", where, block_threads());
}

void team_barrier(const Where& where) {
  machine().wait(machine().resident().team_barriers[team()], "sync_team", where, team_threads());
}

uint32_t arrive_at_grid_barrier(uint32_t* counter) {
  const uint32_t was = *counter;
  *counter += running.block.x == 0 ? 0x80000000u - static_cast<uint32_t>(running.grid.x - 1) : 1;
  if (((*counter ^ was) & 0x80000000u) != 0) machine().end_grid_barrier();
  return was;
}

void wait_for_grid_barrier(const uint32_t* counter, uint32_t was, const Where& where) {
  if (((*counter ^ was) & 0x80000000u) == 0) machine().wait_for_grid_barrier(where);
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

}  // namespace host

void launch(const Launch& launch, const std::function<void()>& body) {
  host::machine().run(launch, body);
}

}  // namespace glm::simt
