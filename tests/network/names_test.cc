// Which addresses a name may have, and that no other is connected to.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/text.h"
#include "network/deliveries.h"
#include "network/network.h"
#include "tests/base/refusal.h"
#include "tests/network/resolver.h"
#include "tests/network/server.h"

namespace glm {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

constexpr const char* kPublic = "93.184.216.34";
constexpr const char* kSilent = "93.184.216.36";
constexpr const char* kOtherPublic = "93.184.216.35";

class Names : public testing::Test {
 protected:
  void SetUp() override { resolver_.lead(kPublic, server_.port()); }
  std::string get(const Network& network, const std::string& url) const {
    return std::string(as_text(network.get(url, nullptr)));
  }
  const Server server_;
  Resolver resolver_;
  const std::string port_ = std::to_string(server_.port());
};

TEST_F(Names, ArePublicAndLookedUpOnce) {
  resolver_.answer("good.example", {{kPublic}, {"127.0.0.1"}});
  EXPECT_EQ(get(Network({"good.example"}), "http://GOOD.example./"), "hello");
  EXPECT_EQ(resolver_.lookups(), Texts{"good.example"});
  EXPECT_EQ(resolver_.connections(), Texts{std::string(kPublic) + ":80"});
  EXPECT_TRUE(resolver_.quiet()) << "OpenSSL's writes can raise SIGPIPE";
  EXPECT_NE(server_.requests().find("Host: good.example\r\n"), std::string::npos);
}

TEST_F(Names, AnsweredAnewAreCheckedAnew) {
  resolver_.answer("good.example", {{kPublic}, {"127.0.0.1"}});
  const Network network({"good.example:" + port_});
  EXPECT_EQ(get(network, "http://good.example:" + port_), "hello");
  EXPECT_TRUE(refused(ErrorCode::usage, {"good.example:" + port_ + ": expected public addresses only"},
                      [&] { get(network, "http://good.example:" + port_); }));
  EXPECT_EQ(resolver_.lookups().size(), 2U);
  EXPECT_EQ(resolver_.connections().size(), 1U);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Names, WithOneForbiddenAddressAreRefused) {
  const std::string url = "http://good.example:" + port_;
  const Network network({"good.example:" + port_});
  for (const char* other : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:127.0.0.1",
                            "0.0.0.0", "168.63.129.16", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1"}) {
    for (const Texts& answer : {Texts{kPublic, other}, Texts{other, kPublic}, Texts{other}}) {
      resolver_.answer("good.example", {answer});
      EXPECT_TRUE(refused(ErrorCode::usage, {"expected public addresses only"}, [&] { get(network, url); })) << other;
    }
  }
  EXPECT_EQ(resolver_.connections(), Texts{});
  EXPECT_EQ(server_.connections(), 0);
}

TEST_F(Names, MayHaveAnAllowedAddress) {
  const std::string url = "http://good.example:" + port_;
  resolver_.answer("good.example", {{"127.0.0.1"}});
  EXPECT_EQ(get(Network({"good.example:" + port_, "127.0.0.1:" + port_}), url), "hello");
  const Texts others[] = {
      {"127.0.0.1:1"}, {"127.0.0.1"}, {"127.0.0.2:" + port_}, {"localhost:" + port_}, {"other:" + port_}};
  for (Texts entries : others) {
    entries.push_back("good.example:" + port_);
    EXPECT_TRUE(refused(ErrorCode::usage, {"expected public addresses only"}, [&] { get(Network(entries), url); }))
        << entries[0];
  }
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Names, LocalhostMeansTheLoopbackAddresses) {
  const std::string url = "http://localhost:" + port_;
  const Network network({"localhost:" + port_});
  resolver_.answer("localhost", {{"127.0.0.1"}, {"::1", "127.0.0.1"}, {"10.0.0.1"}, {"127.0.0.1", "192.168.0.1"}});
  EXPECT_EQ(get(network, url), "hello");
  EXPECT_EQ(get(network, url), "hello") << "the second address, where the first doesn't answer";
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(refused(ErrorCode::usage, {"expected public addresses only"}, [&] { get(network, url); }));
  }
  resolver_.answer("a.localhost", {{"127.0.0.1"}});
  EXPECT_TRUE(refused(ErrorCode::usage, {"expected public addresses only"},
                      [&] { get(Network({"a.localhost:" + port_}), "http://a.localhost:" + port_); }));
  EXPECT_EQ(resolver_.lookups().size(), 5U);
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(Names, AnAddressIsNoName) {
  const Network network({"127.0.0.1:" + port_, std::string(kPublic), "10.0.0.1"});
  EXPECT_EQ(get(network, "http://0x7f.1:" + port_), "hello");
  EXPECT_EQ(get(network, "http://[::ffff:127.0.0.1]:" + port_), "hello");
  EXPECT_EQ(get(network, std::string("http://") + kPublic), "hello");
  EXPECT_TRUE(refused(ErrorCode::io, {"10.0.0.1:80: expected a connection, found none"},
                      [&] { get(network, "http://10.0.0.1"); }));
  EXPECT_TRUE(refused(ErrorCode::io, {"[::1]:80: expected a connection, found none"},
                      [&] { get(Network({"::1"}), "http://[0::1]/"); }));
  EXPECT_EQ(resolver_.lookups(), Texts{});
  const Texts expected = {"127.0.0.1:" + port_, "127.0.0.1:" + port_, std::string(kPublic) + ":80", "10.0.0.1:80",
                          "::1:80"};
  EXPECT_EQ(resolver_.connections(), expected);
}

TEST_F(Names, WithoutAThreadAreNotReached) {
  resolver_.answer("good.example", {{kPublic}});
  const Network network({"good.example"});
  resolver_.give_no_thread();
  EXPECT_TRUE(refused(ErrorCode::io, {"good.example:80: expected a connection, found none"},
                      [&] { get(network, "http://good.example"); }));
  Deliveries deliveries(network, nullptr);
  EXPECT_TRUE(refused(ErrorCode::memory, {"expected a thread to send with"}, [&] {
    deliveries.add({SendMethod::post, "http://good.example/", "a/b", {}, 0});
  }));
  EXPECT_TRUE(deliveries.wait().empty());
}

// A port of 127.0.0.1 that takes no more connections, and so answers nothing.
class SilentPort {
 public:
  SilentPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    for (int& descriptor : all_) descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::bind(all_[0], generic, size), 0);
    ::listen(all_[0], 0);
    ::getsockname(all_[0], generic, &size);
    for (size_t i = 1; i < std::size(all_); ++i) EXPECT_LE(::connect(all_[i], generic, size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() {
    for (const int descriptor : all_) ::close(descriptor);
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;

  uint16_t port() const { return port_; }

 private:
  int all_[4] = {};
  uint16_t port_ = 0;
};

// Nobody can tell by the text which hosts and ports there are.
TEST_F(Names, ThatDoNotExistAndPortsThatAreClosedHaveOneText) {
  resolver_.answer("closed.example", {{kOtherPublic}});
  resolver_.hang("slow.example");
  resolver_.answer("empty.example", {{}});
  const SilentPort silent;
  resolver_.answer("silent.example", {{kSilent}});
  resolver_.lead(kSilent, silent.port());
  const Network network({"closed.example", "missing.example", "slow.example", "empty.example", "silent.example"},
                        {.connecting = 300ms});
  const auto begin = steady_clock::now();
  for (const std::string name :
       {"closed.example", "missing.example", "slow.example", "empty.example", "silent.example"}) {
    try {
      network.get("http://" + name + "/secret", nullptr);
      ADD_FAILURE() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::io);
      EXPECT_EQ(e.what(), name + ":80: expected a connection, found none");
    }
  }
  EXPECT_LT(steady_clock::now() - begin, 3s);
}

TEST_F(Names, ThatHangAreLeftBehindWhenCancelled) {
  resolver_.hang("slow.example");
  CancelToken cancel;
  const Network network({"slow.example"});
  steady_clock::time_point begin;
  std::thread later([&] {
    std::this_thread::sleep_for(50ms);
    begin = steady_clock::now();
    cancel.cancel();
  });
  EXPECT_TRUE(refused(ErrorCode::cancelled, {"cancelled"}, [&] { network.get("http://slow.example/", &cancel); }));
  EXPECT_LT(steady_clock::now() - begin, 500ms);
  later.join();
  begin = steady_clock::now();
  EXPECT_TRUE(refused(ErrorCode::io, {"slow.example:80: expected a connection, found none"},
                      [&] { network.send(SendMethod::post, "http://slow.example/", "a/b", {}, nullptr, 300ms); }));
  EXPECT_LT(steady_clock::now() - begin, 2s);
}

TEST_F(Names, ThatAreRefusedAreNotLookedUp) {
  resolver_.answer("evil.example", {{kPublic}});
  const Network network({"good.example"});
  EXPECT_TRUE(refused(ErrorCode::usage, {"evil.example:80"}, [&] { network.check("http://evil.example/"); }));
  EXPECT_TRUE(refused(ErrorCode::usage, {"evil.example:80"}, [&] { network.get("http://evil.example/", nullptr); }));
  EXPECT_TRUE(refused(ErrorCode::usage, {"evil.example:80"},
                      [&] { network.send(SendMethod::put, "http://evil.example/", "a/b", {}, nullptr); }));
  network.check("http://good.example/");
  EXPECT_EQ(resolver_.lookups(), Texts{});
  EXPECT_EQ(resolver_.connections(), Texts{});
}

// The second line: libcurl, left alone with the name, is given another address, and gets no socket for it.
TEST_F(Names, ThatLibcurlLooksUpItselfLeadNowhereElse) {
  resolver_.answer("good.example", {{kPublic}, {"127.0.0.1"}});
  resolver_.forget_pins();
  const std::string place = "good.example:" + port_;
  EXPECT_TRUE(refused(ErrorCode::io, {place + ": expected a connection, found none"},
                      [&] { get(Network({place}), "http://" + place); }));
  EXPECT_EQ(resolver_.lookups().size(), 2U) << "libcurl was to ask as well";
  EXPECT_EQ(resolver_.connections(), Texts{});
  EXPECT_EQ(server_.connections(), 0);
}

TEST_F(Names, SendingGoesTheSameWay) {
  resolver_.answer("good.example", {{kPublic}, {kPublic, "127.0.0.1"}});
  const Network network({"good.example"});
  network.send(SendMethod::post, "http://good.example/", "a/b", as_bytes("x"), nullptr);
  EXPECT_TRUE(refused(ErrorCode::usage, {"expected public addresses only"},
                      [&] { network.send(SendMethod::post, "http://good.example/", "a/b", as_bytes("x"), nullptr); }));
  EXPECT_EQ(resolver_.lookups().size(), 2U);
  EXPECT_EQ(server_.connections(), 1);
}

}  // namespace
}  // namespace glm
