#include "engine/call_queue.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>

#include "base/refuse.h"
#include "glm/cancel.h"
#include "glm/error.h"

namespace glm {

// Lives on the stack of the thread that waits for it.
struct CallQueue::Job {
  const std::function<void()>& call;
  bool begun = false;
  bool done = false;
  std::exception_ptr thrown = nullptr;
};

CallQueue::CallQueue() {
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& e) {
    refuse(ErrorCode::memory, "", "a thread to compute on", std::string("none (") + e.what() + ")",
           "close other programs, or raise the limit (ulimit -u)");
  }
}

CallQueue::~CallQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CallQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Job* job = waiting_.front();
    waiting_.pop_front();
    job->begun = true;
    lock.unlock();
    try {
      job->call();
    } catch (...) {
      job->thrown = std::current_exception();
    }
    lock.lock();
    job->done = true;
    changed_.notify_all();
  }
}

void CallQueue::run(const std::function<void()>& call, const CancelToken* cancel) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    refuse(ErrorCode::usage, "", "a call from outside", "one from a callback of the same pipeline",
           "call it after the callback's return");
  }
  Job job{call};
  {
    std::unique_lock lock(mutex_);
    waiting_.push_back(&job);
    changed_.notify_all();
    while (!job.done) {
      if (!job.begun && cancel != nullptr && cancel->cancelled()) {
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &job));
        throw Error(ErrorCode::cancelled, "cancelled");
      }
      // Nobody wakes this thread when the token is set: a signal handler may do that, and it can't take the lock. So a
      // call that waits for its turn looks at the token again and again.
      if (job.begun || cancel == nullptr) {
        changed_.wait(lock);
      } else {
        changed_.wait_for(lock, std::chrono::milliseconds(20));
      }
    }
  }
  if (job.thrown != nullptr) std::rethrow_exception(job.thrown);
}

}  // namespace glm
