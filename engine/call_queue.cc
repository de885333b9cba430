#include "engine/call_queue.h"

#include <ATen/Parallel.h>
#include <c10/util/Logging.h>
#include <cxxabi.h>
#include <pthread.h>

#include <algorithm>
#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <set>
#include <system_error>

#include "base/process_end.h"
#include "base/refuse.h"
#include "glm/cancel.h"
#include "glm/error.h"

namespace glm {

namespace {

// Makes LibTorch's own pool of threads, for one thread, so that it starts none. In a child LibTorch notices here that
// the pool's threads are missing.
void make_pool() {
  try {
    at::set_num_threads(1);
  } catch (...) {  // the process ends, and the pool is gone
  }
}

}  // namespace

// While it lives, pthread_cancel() doesn't end the calling thread: it would leave a call behind that nobody waits for.
class NoCancellation {
 public:
  NoCancellation() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { ::pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = 0;
};

// Lives on the stack of the thread that waits for it.
struct CallQueue::Job {
  const std::function<void()>& call;
  bool begun = false;
  bool done = false;
  std::exception_ptr thrown = nullptr;
};

// All queues of this process. The list is never destroyed, because a host's static objects may hold queues to the end.
class CallQueue::Living {
 public:
  static Living& all() {
    static auto* const living = new Living;
    return *living;
  }
  void add(CallQueue* queue) {
    const std::lock_guard lock(mutex_);
    queues_.insert(queue);
  }
  void remove(CallQueue* queue) {
    const std::lock_guard lock(mutex_);
    queues_.erase(queue);
  }

  // What is registered last is called first at exit(), and static objects count as registered when they were made. So
  // this is called once more when LibTorch has made some.
  static void register_end() { std::atexit(end_calls); }

 private:
  Living() {
    register_end();
    const auto lock = [] { all().mutex_.lock(); };
    const auto unlock = [] { all().mutex_.unlock(); };
    ::pthread_atfork(lock, unlock, unlock);  // a child makes queues of its own
  }

  static void end_calls() {
    begin_process_end();
    const std::lock_guard lock(all().mutex_);
    for (CallQueue* queue : all().queues_) queue->wait_for_the_end_of_a_call();
    if (all().process_.is_in_child()) renew_pool();
  }

  // LibTorch joins the threads of its own pool when the process ends. In a child they are missing, and LibTorch notices
  // that only when it is asked for a pool again. A new thread asks for it, because LibTorch has already destroyed what
  // it keeps for the thread that exits.
  static void renew_pool() {
    try {
      std::thread(make_pool).join();
    } catch (const std::system_error&) {  // a child without a second thread hangs in LibTorch's end
    }
  }

  ProcessMark process_;
  std::mutex mutex_;
  std::set<CallQueue*> queues_;
};

CallQueue::CallQueue() {
  check_process_lives();
  const NoCancellation no_cancellation;
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& e) {
    refuse(ErrorCode::memory, "", "a thread to compute on", std::string("none (") + e.what() + ")",
           "close other programs, or raise the limits of processes and memory (ulimit -u, ulimit -v)");
  }
}

CallQueue::~CallQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  Living::all().remove(this);
}

void CallQueue::work() {
  const NoCancellation no_cancellation;
  // A host may have asked for a signal at each division by zero, or for another rounding. A thread inherits that from
  // the one that starts it, so what is set here holds for OpenMP's threads, too.
  std::fesetenv(FE_DFL_ENV);
  c10::initLogging();  // LibTorch prints what TORCH_CPP_LOG_LEVEL asks for, as it does in Python
  make_pool();         // it has to be there before the next line
  Living::all().add(this);
  std::unique_lock lock(mutex_);
  for (int calls = 0;; ++calls) {
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Job* job = waiting_.front();
    waiting_.pop_front();
    job->begun = true;
    busy_ = true;
    lock.unlock();
    try {
      check_process_lives();
      job->call();
    } catch (const abi::__forced_unwind&) {  // a callback called pthread_exit(), as Python does when it ends
      leave(job);
      throw;
    } catch (...) {
      job->thrown = std::current_exception();
    }
    if (calls < 3) Living::register_end();  // after the device's opening, the load, and the first call behind it
    lock.lock();
    busy_ = false;
    job->done = true;
    changed_.notify_all();
  }
}

// The queue's thread ends in the midst of a job, and leaves no one waiting.
void CallQueue::leave(Job* job) {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  busy_ = false;
  waiting_.push_back(job);
  for (Job* each : waiting_) {
    each->thrown = std::make_exception_ptr(error_of_gone());
    each->begun = each->done = true;
  }
  waiting_.clear();
  changed_.notify_all();
}

Error CallQueue::error_of_gone() {
  return {ErrorCode::internal,
          "a callback has ended the thread that the pipeline computes on; load the checkpoint again"};
}

void CallQueue::check_process_lives() {
  if (process_is_ending()) throw Error(ErrorCode::cancelled, "cancelled, because the process ends");
}

void CallQueue::wait_for_the_end_of_a_call() {
  if (is_in_child()) return;  // the call goes on in the parent
  // A library called exit() in the midst of a call, as OpenMP does when it gets no thread.
  if (std::this_thread::get_id() == thread_.get_id()) return;
  std::unique_lock lock(mutex_);
  while (busy_ && !in_callback_) changed_.wait_for(lock, std::chrono::milliseconds(20));
}

void CallQueue::check_process() const {
  if (!process_.is_in_child()) return;
  refuse(ErrorCode::usage, "", "a call in the process that loaded the checkpoint",
         "one in a child that it forked afterwards", "load the checkpoint in the child");
}

void CallQueue::run(const std::function<void()>& call, const CancelToken* cancel) {
  check_process();
  if (std::this_thread::get_id() == thread_.get_id()) {
    refuse(ErrorCode::usage, "", "a call from outside", "one from a callback of the same pipeline",
           "call it after the callback's return");
  }
  Job job{call};
  const NoCancellation no_cancellation;
  {
    std::unique_lock lock(mutex_);
    if (gone_) throw error_of_gone();
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
