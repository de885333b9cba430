// The threads that LibTorch computes with on the CPU.
#pragma once

#include <string>
#include <vector>

namespace glm {

// Returns how many threads LoadOptions::threads asks for: 0 is as many as the process may use. Throws Error(usage) for
// a number that isn't 0 to 1024.
int threads_asked(int option);

// Lets LibTorch compute with up to `wanted` threads on the calling thread from now on, and returns how many they are.
// They are fewer where OpenMP makes no team of that size (OMP_THREAD_LIMIT), because LibTorch computes wrong numbers
// with a team that is smaller than it believes, and where the system gives fewer threads (ulimit -u, a container's
// limit), because OpenMP ends the process when it gets none. Then *why_fewer says so; otherwise it stays as it is.
int start_compute_threads(int wanted, std::string* why_fewer);

// Lets LibTorch's parts for the CPU make the static objects that each makes when it first computes.
void compute_once();

// Waits, when it is destroyed, until the threads of a team are gone. The thread that started a team ends it without
// waiting. While a thread of it ends, it holds locks of MKL, and a child that is forked meanwhile would never get them.
class EndOfTeam {
 public:
  EndOfTeam() = default;
  ~EndOfTeam();
  EndOfTeam(const EndOfTeam&) = delete;
  EndOfTeam& operator=(const EndOfTeam&) = delete;

  // Notes who is in the calling thread's team. Destroy this after that thread has ended.
  void note_team();

 private:
  std::vector<int> ids_;
};

// Returns a warning when LibTorch doesn't make use of this processor's instructions, or "".
std::string slow_kernels();

}  // namespace glm
