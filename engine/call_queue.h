// Runs calls from any thread one after the other on a thread of its own. So what LibTorch and the processor keep for
// each thread (number of threads, inference mode, the current GPU, how numbers are rounded) is never a caller's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/own_arithmetic.h"
#include "base/process_mark.h"
#include "glm/error.h"

namespace glm {

class CancelToken;

// When the process ends, a call under way is cancelled, and exit() waits until it computes no more: LibTorch's static
// objects go next. In a child that a fork has made, the thread is missing: the queue is of no use there, and must not
// be destroyed.
class CallQueue {
 public:
  CallQueue();   // Throws Error(memory) when the system gives no thread, and Error(cancelled) when the process ends.
  ~CallQueue();  // no call may be waiting in run()
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Queues `call`, waits until it has run, and throws what it throws. `cancel`, if any, takes a call that still waits
  // for its turn out of the queue: Error(cancelled). Throws Error(usage) on the queue's own thread, that is in a
  // callback, where the call would wait for itself, Error(cancelled) when the process ends, and Error(internal) when a
  // callback has ended the queue's thread. May be called from any thread; a pthread_cancel() of it waits until then.
  void run(const std::function<void()>& call, const CancelToken* cancel = nullptr);

  // Runs one of the caller's callbacks. Only a call that runs on the queue's thread may use it. Throws what the
  // callback throws, and Error(cancelled) when the process ends meanwhile.
  template <typename Callback>
  void call_back(const Callback& callback) {
    const OwnArithmetic arithmetic;  // what the callback sets for itself ends with it
    in_callback_ = true;
    try {
      callback();
    } catch (...) {
      in_callback_ = false;
      throw;
    }
    in_callback_ = false;
    check_process_lives();
  }

  // Throws Error(usage) in a child that a fork has made.
  void check_process() const;
  bool is_in_child() const { return process_.is_in_child(); }

 private:
  struct Job;
  class Living;
  void work();
  void leave(Job* job);
  static Error error_of_gone();
  static void check_process_lives();
  void wait_for_the_end_of_a_call();

  ProcessMark process_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> waiting_;
  bool busy_ = false;                      // a call is under way
  std::atomic<bool> in_callback_ = false;  // one of the call's callbacks runs; it may wait for the thread that exits
  bool ending_ = false;
  bool gone_ = false;  // a callback has ended the thread
  std::thread thread_;
};

}  // namespace glm
