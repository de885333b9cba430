#include "network/deliveries.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/text.h"
#include "tests/network/server.h"

namespace glm {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr DeliveryTimes kHasty = {.first_pause = 20ms, .longest_pause = 100ms, .post = 300ms, .whole = 1'500ms};

class DeliveriesTo : public testing::Test {
 protected:
  Delivery delivery(const std::string& path, size_t tag = 0, SendMethod method = SendMethod::post) const {
    return {method, server_.url(path), "text/plain", {'h', 'i'}, tag};
  }
  int count(const std::string& requests, const std::string& word) const {
    int found = 0;
    for (size_t at = 0; (at = requests.find(word, at)) != std::string::npos; ++at) ++found;
    return found;
  }
  const Server server_;
  const Network network_{{server_.place()}};
};

TEST_F(DeliveriesTo, AreSentInTheBackground) {
  Deliveries deliveries(network_, nullptr);
  const auto begin = steady_clock::now();
  for (int i = 0; i < 8; ++i) deliveries.add(delivery("/slow/0.5"));
  deliveries.add(delivery("/picture", 0, SendMethod::put));
  EXPECT_LT(steady_clock::now() - begin, 300ms) << "add() waits for nobody";
  EXPECT_TRUE(deliveries.wait().empty());
  EXPECT_LT(steady_clock::now() - begin, 2s) << "several at once";
  const std::string requests = server_.requests();
  EXPECT_EQ(count(requests, "POST /slow/0.5 HTTP/1.1"), 8);
  EXPECT_EQ(count(requests, "PUT /picture HTTP/1.1"), 1);
  EXPECT_EQ(count(requests, "\r\n\r\nhi\n"), 9);
  deliveries.add(delivery("/later"));
  EXPECT_TRUE(deliveries.wait().empty());
  EXPECT_EQ(count(server_.requests(), "/later"), 1);
}

TEST_F(DeliveriesTo, AServerThatIsBusyAreTriedAgain) {
  Deliveries deliveries(network_, nullptr);
  const auto begin = steady_clock::now();
  deliveries.add(delivery("/flaky/2/a"));
  EXPECT_TRUE(deliveries.wait().empty());
  EXPECT_EQ(count(server_.requests(), "/flaky/2/a"), 3);
  EXPECT_GT(steady_clock::now() - begin, 550ms) << "250 and 500 ms, less a quarter";
  EXPECT_LT(steady_clock::now() - begin, 2s);
}

TEST_F(DeliveriesTo, AServerThatRefusesAreTriedOnce) {
  Deliveries deliveries(network_, nullptr);
  deliveries.add(delivery("/status/404?secret", 7));
  deliveries.add({SendMethod::put, "http://other.example/secret", "a/b", {}, 8});
  deliveries.add({SendMethod::put, "secret", "a/b", {}, 9});
  std::vector<Failure> failures = deliveries.wait();
  std::sort(failures.begin(), failures.end(), [](const Failure& a, const Failure& b) { return a.tag < b.tag; });
  ASSERT_EQ(failures.size(), 3U);
  EXPECT_EQ(failures[0].tag, 7U);
  EXPECT_EQ(failures[0].problem, "not delivered after 1 try over 0 seconds: " + server_.place() +
                                     ": expected a status of 200 to 299, found 404");
  EXPECT_EQ(failures[1].problem,
            "not delivered after 1 try over 0 seconds: the URL's host: expected one that --allow-host names, found "
            "other.example:80");
  EXPECT_EQ(failures[2].problem.find("secret"), std::string::npos) << failures[2].problem;
  EXPECT_EQ(count(server_.requests(), "/status/404"), 1);
  EXPECT_TRUE(deliveries.wait().empty()) << "each failure is told once";
}

TEST_F(DeliveriesTo, AServerThatStaysBusyAreGivenUp) {
  Deliveries deliveries(network_, nullptr, kHasty);
  const auto begin = steady_clock::now();
  deliveries.add(delivery("/status/503", 1));
  const std::vector<Failure> failures = deliveries.wait();
  EXPECT_GT(steady_clock::now() - begin, 1s);
  EXPECT_LT(steady_clock::now() - begin, 2'500ms);
  const int tries = count(server_.requests(), "/status/503");
  EXPECT_GE(tries, 9);
  EXPECT_LE(tries, 40);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_TRUE(failures[0].problem.starts_with("not delivered after " + std::to_string(tries) + " tries over "));
  EXPECT_TRUE(failures[0].problem.ends_with(": expected a status of 200 to 299, found 503")) << failures[0].problem;
}

TEST_F(DeliveriesTo, AServerThatStallsAreTriedAgain) {
  Deliveries deliveries(network_, nullptr, kHasty);
  deliveries.add(delivery("/stall", 1));
  deliveries.add(delivery("/slow/0.6", 2, SendMethod::put));
  const std::vector<Failure> failures = deliveries.wait();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].tag, 1U);
  const std::string requests = server_.requests();
  EXPECT_GE(count(requests, "POST /stall"), 3);
  EXPECT_EQ(count(requests, "PUT /slow/0.6"), 1) << "a picture may take longer than a message";
}

TEST_F(DeliveriesTo, AServerThatDoesNotAnswerHoldUpNoOthers) {
  const Server dead;
  const Network network({server_.place(), dead.place()});
  DeliveryTimes times = kHasty;
  times.post = 3s;
  times.whole = 4s;
  Deliveries deliveries(network, nullptr, times);
  for (size_t i = 0; i < 30; ++i) deliveries.add({SendMethod::post, dead.url("/stall"), "a/b", {}, i});
  for (int i = 0; i < 20; ++i) deliveries.add(delivery("/alive"));
  const auto begin = steady_clock::now();
  int alive = 0;
  while (alive < 20 && steady_clock::now() - begin < 2'500ms) alive += count(server_.requests(), "/alive");
  EXPECT_EQ(alive, 20);
  const std::vector<Failure> failures = deliveries.wait();
  EXPECT_EQ(failures.size(), 30U);
  EXPECT_LT(steady_clock::now() - begin, 6s);
  bool some_had_no_turn = false;
  for (const Failure& failure : failures) {
    some_had_no_turn |= failure.problem.starts_with("not delivered after 0 tries") &&
                        failure.problem.ends_with(": it wasn't its turn in time");
  }
  EXPECT_TRUE(some_had_no_turn);
}

TEST_F(DeliveriesTo, OneUrlBeginInTheirOrder) {
  Deliveries deliveries(network_, nullptr);
  const int all = 50;
  for (int i = 0; i < all; ++i) {
    deliveries.add({SendMethod::post, server_.url("/slow/0.05"), "a/b",
                    std::vector<uint8_t>(1, static_cast<uint8_t>('0' + i)), 0});
  }
  EXPECT_TRUE(deliveries.wait().empty());
  const std::string requests = server_.requests();
  // Four may be under way at once, and may arrive in another order than they began.
  int position = 0;
  for (size_t at = 0; (at = requests.find("\r\n\r\n", at)) != std::string::npos; at += 4, ++position) {
    EXPECT_NEAR(requests[at + 4] - '0', position, 12);
  }
  EXPECT_EQ(position, all);
}

TEST_F(DeliveriesTo, AreGivenUpAtOnceWhenCancelled) {
  CancelToken cancel;
  Deliveries deliveries(network_, &cancel);
  for (size_t i = 0; i < 12; ++i) deliveries.add(delivery("/stall", i));
  deliveries.add(delivery("/status/503", 12));
  std::thread later([&] {
    std::this_thread::sleep_for(200ms);
    cancel.cancel();
  });
  const auto begin = steady_clock::now();
  const std::vector<Failure> failures = deliveries.wait();
  EXPECT_LT(steady_clock::now() - begin, 1s);
  later.join();
  ASSERT_EQ(failures.size(), 13U);
  for (const Failure& failure : failures) {
    const bool busy = failure.tag == 12;
    EXPECT_TRUE(failure.problem.ends_with(" over 0 seconds: cancelled") || busy) << failure.problem;
  }
  deliveries.add(delivery("/", 13));
  EXPECT_EQ(deliveries.wait().size(), 1U) << "a token stays set";
}

TEST_F(DeliveriesTo, EndWithTheObject) {
  const auto begin = steady_clock::now();
  {
    Deliveries deliveries(network_, nullptr);
    for (size_t i = 0; i < 20; ++i) deliveries.add(delivery("/stall", i));
    std::this_thread::sleep_for(100ms);
  }
  { const Deliveries unused(network_, nullptr); }
  EXPECT_LT(steady_clock::now() - begin, 1s);
}

TEST_F(DeliveriesTo, MayBeAddedFromManyThreads) {
  Deliveries deliveries(network_, nullptr);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 25; ++k) deliveries.add(delivery("/many"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(deliveries.wait().empty());
  EXPECT_EQ(count(server_.requests(), "POST /many"), 100);
}

}  // namespace
}  // namespace glm
