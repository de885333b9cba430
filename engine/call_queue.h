// Calls from any thread, run one after the other on a thread of their own: what LibTorch keeps per thread (number of
// threads, inference mode, the current GPU) is then never a caller's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace glm {

class CancelToken;

class CallQueue {
 public:
  CallQueue();   // Throws Error(memory) when the machine gives no thread.
  ~CallQueue();  // nobody may be waiting
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Waits for its turn and for `call`'s end; what it throws comes out here. While it waits for its turn `cancel`, if
  // any, takes it out of the queue: Error(cancelled). Error(usage) on the queue's own thread, in a callback: it would
  // wait for itself.
  void run(const std::function<void()>& call, const CancelToken* cancel = nullptr);

 private:
  struct Job;
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> waiting_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace glm
