#include "network/deliveries.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "glm/error.h"

namespace glm {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr size_t kMostWorkers = 8;
constexpr int kMostOfOneReceiver = 4;  // of them, so that one that doesn't answer leaves some for others
constexpr milliseconds kLook{50};      // how often the token is looked at

// The part of a URL that says which server it is.
std::string receiver_of(const std::string& url) {
  const size_t scheme = url.find("://");
  return url.substr(0, scheme == std::string::npos ? 0 : url.find_first_of("/?#", scheme + 3));
}

}  // namespace

struct Deliveries::Job {
  Delivery delivery;
  std::string receiver;
  steady_clock::time_point added;
  steady_clock::time_point due;
  milliseconds pause;
  int tries = 0;
  std::string last = "it wasn't its turn in time";
};

Deliveries::Deliveries(const Network& network, const CancelToken* cancel, const DeliveryTimes& times)
    : network_(network), cancel_(cancel), times_(times), random_(std::random_device{}()) {}

Deliveries::~Deliveries() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    stop_.cancel();
    changed_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
}

void Deliveries::add(Delivery delivery) {
  const std::lock_guard lock(mutex_);
  const auto now = steady_clock::now();
  std::string receiver = receiver_of(delivery.url);
  waiting_.push_back({std::move(delivery), std::move(receiver), now, now, times_.first_pause});
  if (waiting_.size() + sending_ > workers_.size() && workers_.size() < kMostWorkers) start_worker();
  changed_.notify_all();
}

void Deliveries::start_worker() {
  try {
    workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (!workers_.empty()) return;
    waiting_.pop_back();
    throw Error(ErrorCode::memory,
                "expected a thread to send with, found that the system gives none; end other programs");
  }
}

std::vector<Failure> Deliveries::wait() {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty() || sending_ > 0) {
    if (stopped()) {
      stop_.cancel();
      for (const Job& job : waiting_) give_up(job, "cancelled");
      waiting_.clear();
    }
    changed_.wait_for(lock, kLook);
  }
  return std::exchange(failures_, {});
}

bool Deliveries::stopped() const {
  return stop_.cancelled() || (cancel_ != nullptr && cancel_->cancelled());
}

void Deliveries::work() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    steady_clock::time_point wake = steady_clock::time_point::max();
    const auto found = next(&wake);
    if (found == waiting_.end()) {
      if (wake == steady_clock::time_point::max()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, wake);
      }
      continue;
    }
    Jobs job;
    job.splice(job.end(), waiting_, found);
    try_once(lock, job);
  }
}

// Returns the first job whose time has come. If there is none, `wake` is set to the time of the next one.
Deliveries::Jobs::iterator Deliveries::next(steady_clock::time_point* wake) {
  const auto now = steady_clock::now();
  for (auto job = waiting_.begin(); job != waiting_.end(); ++job) {
    const auto sending = at_once_.find(job->receiver);
    const bool full = sending != at_once_.end() && sending->second >= kMostOfOneReceiver;
    if (full) continue;  // until one of these has ended
    if (job->due <= now) return job;
    *wake = std::min(*wake, job->due);
  }
  return waiting_.end();
}

void Deliveries::try_once(std::unique_lock<std::mutex>& lock, Jobs& jobs) {
  Job& job = jobs.front();
  const Delivery& delivery = job.delivery;
  const auto left = std::chrono::duration_cast<milliseconds>(job.added + times_.whole - steady_clock::now());
  if (left.count() <= 0) {
    give_up(job, job.last);
    changed_.notify_all();
    return;
  }
  ++sending_;
  ++at_once_[job.receiver];
  ++job.tries;
  lock.unlock();
  bool sent = false;
  bool again = false;
  std::string reason;
  try {
    const milliseconds within = delivery.method == SendMethod::post ? std::min(times_.post, left) : left;
    network_.send(delivery.method, delivery.url, delivery.content_type, delivery.body, &stop_, within);
    sent = true;
  } catch (const Error& e) {
    again = e.code() == ErrorCode::io;
    reason = e.what();
  } catch (const std::exception& e) {
    reason = e.what();
  }
  lock.lock();
  --sending_;
  if (--at_once_[job.receiver] == 0) at_once_.erase(job.receiver);
  if (!sent) settle(jobs, again, reason);
  changed_.notify_all();
}

// Puts a job back after a failed try, or gives it up.
void Deliveries::settle(Jobs& jobs, bool again, const std::string& reason) {
  Job& job = jobs.front();
  job.last = reason;
  job.due = steady_clock::now() + job.pause * std::uniform_int_distribution<int>(75, 125)(random_) / 100;
  job.pause = std::min(2 * job.pause, times_.longest_pause);
  if (!again || job.due >= job.added + times_.whole) return give_up(job, reason);
  waiting_.splice(waiting_.begin(), jobs);
}

void Deliveries::give_up(const Job& job, const std::string& reason) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(steady_clock::now() - job.added).count();
  const std::string tries = std::to_string(job.tries) + (job.tries == 1 ? " try" : " tries");
  failures_.push_back({job.delivery.tag, "not delivered after " + tries + " over " + std::to_string(seconds) +
                                             (seconds == 1 ? " second: " : " seconds: ") + reason});
}

}  // namespace glm
