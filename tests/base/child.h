// Checks that need a process of their own.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>

namespace glm {

// Calls `check` in a process of its own, where it may spoil what belongs to a process. Returns 0 where it said true, 1
// where it didn't, 2 where it threw, kSkipped where it couldn't be tried, and 128 + the signal that ended it.
inline constexpr int kSkipped = 77;

inline int in_child(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      ::_exit(check() ? 0 : 1);
    } catch (const std::exception&) {
      ::_exit(2);
    }
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace glm
