// Sends in the background, again and again where that may help.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "glm/cancel.h"
#include "network/network.h"

namespace glm {

struct Delivery {
  SendMethod method = SendMethod::post;
  std::string url;
  std::string content_type;
  std::vector<uint8_t> body;
  size_t tag = 0;  // of the caller's own, to know a failure by
};

struct Failure {
  size_t tag = 0;
  std::string problem;
};

struct DeliveryTimes {
  std::chrono::milliseconds first_pause{250};  // doubles from try to try, give or take a quarter
  std::chrono::milliseconds longest_pause{8'000};
  std::chrono::milliseconds post{10'000};   // what one try of a POST may take
  std::chrono::milliseconds whole{60'000};  // from add() on, until a delivery is given up
};

// Every function may be called from any thread. `network` and `cancel`, which may be null, outlive it.
class Deliveries {
 public:
  Deliveries(const Network& network, const CancelToken* cancel, const DeliveryTimes& times = {});
  // Gives up what isn't sent.
  ~Deliveries();
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  // Those of one URL begin in the order in which they are added, but one that has to be tried again may be overtaken.
  // Throws Error(memory) when no thread can be started.
  void add(Delivery delivery);

  // Waits until all are sent or given up. Returns those that were given up since the last call; with the token set
  // those are, at once, all that aren't sent.
  std::vector<Failure> wait();

 private:
  struct Job;
  using Jobs = std::list<Job>;

  void start_worker();
  void work();
  bool stopped() const;
  Jobs::iterator next(std::chrono::steady_clock::time_point* wake);
  void try_once(std::unique_lock<std::mutex>& lock, Jobs& job);
  void settle(Jobs& job, bool again, const std::string& reason);
  void give_up(const Job& job, const std::string& reason);

  const Network& network_;
  const CancelToken* const cancel_;
  const DeliveryTimes times_;
  CancelToken stop_;  // ends what is being sent

  std::mutex mutex_;
  std::condition_variable changed_;
  Jobs waiting_;                        // in the order of add(), behind those to try again
  size_t sending_ = 0;                  // those that a thread has taken out of `waiting_`
  std::map<std::string, int> at_once_;  // how many of these are of each receiver
  std::vector<Failure> failures_;
  std::vector<std::thread> workers_;
  std::mt19937 random_;
  bool ends_ = false;
};

}  // namespace glm
