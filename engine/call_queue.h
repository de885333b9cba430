// Runs calls from any thread one after the other on a thread of its own. So LibTorch's state per thread (number of
// threads, inference mode, the current GPU) is never a caller's.
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
  CallQueue();   // Throws Error(memory) when the system gives no thread.
  ~CallQueue();  // no call may be waiting in run()
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Queues `call`, waits until it has run, and throws what it throws. `cancel`, if any, takes a call that still waits
  // for its turn out of the queue: Error(cancelled). Throws Error(usage) on the queue's own thread, that is in a
  // callback, where the call would wait for itself. May be called from any thread.
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
