#pragma once

namespace glm {

// Distinguishes the process that made this object from a child into which a fork has copied it. A child has no thread
// but the one that forked, and its locks may be held for ever. Any number of threads may ask at once.
class ProcessMark {
 public:
  ProcessMark();
  ~ProcessMark();
  ProcessMark(const ProcessMark&) = delete;
  ProcessMark& operator=(const ProcessMark&) = delete;

  bool is_in_child() const;

 private:
  int pid_;
  volatile char* page_;  // 1 in this process, 0 in a child; null: the kernel gave none
};

}  // namespace glm
