// Fetching and sending, with servers that behave badly.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <numeric>
#include <thread>

#include "base/text.h"
#include "network/network.h"
#include "tests/base/refusal.h"
#include "tests/network/server.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

milliseconds since(steady_clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
}

class Fetching : public testing::Test {
 protected:
  std::string get(const std::string& path) const {
    return std::string(as_text(network_.get(server_.url(path), nullptr)));
  }
  testing::AssertionResult refuses(ErrorCode code, const std::string& problem, const std::string& path,
                                   NetworkLimits limits = {}) const {
    const Network network({server_.place()}, limits);
    return refused(code, {server_.place() + ": " + problem}, [&] { network.get(server_.url(path), nullptr); });
  }
  const Server server_;
  const Network network_{{server_.place()}};
};

TEST_F(Fetching, ReturnsTheBytesAsTheyCame) {
  EXPECT_EQ(get("/"), "hello");
  EXPECT_EQ(get("/a?b=c%20d#fragment"), "hello");
  EXPECT_EQ(get("/lying-type"), "<html>");
  EXPECT_EQ(get("/too-long"), "hello");
  EXPECT_EQ(get("/gzip"), "\x1f\x8b raw");
  EXPECT_EQ(get("/status/204"), "");
  EXPECT_EQ(get("/size/0"), "");
  EXPECT_EQ(get("/size/33554432").size(), 33554432U);
}

TEST_F(Fetching, AsksWithoutWhatItDoesNotNeed) {
  get("/a?b=c%20d#fragment");
  EXPECT_EQ(server_.requests(), "GET /a?b=c%20d HTTP/1.1\r\nHost: " + server_.place() +
                                    "\r\nUser-Agent: glm-image\r\nAccept: */*\r\n\r\n\n");
}

TEST_F(Fetching, KeepsNothingForTheNextCall) {
  get("/cookie");
  get("/cookie");
  EXPECT_EQ(server_.connections(), 2);
  EXPECT_EQ(server_.requests().find("Cookie"), std::string::npos);
}

TEST_F(Fetching, FollowsNoRedirect) {
  for (const char* target :
       {"OWN", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"}) {
    EXPECT_TRUE(refuses(ErrorCode::usage, "expected a status of 200 to 299, found 302, a redirect",
                        std::string("/redirect/") + target));
  }
  EXPECT_EQ(server_.connections(), 4);
}

TEST_F(Fetching, RefusesWhatIsNotASuccess) {
  for (const int status : {101, 300, 301, 304, 307, 308, 400, 401, 403, 404, 410, 413, 451, 499}) {
    EXPECT_TRUE(refuses(ErrorCode::usage, "expected a status of 200 to 299, found " + std::to_string(status),
                        "/status/" + std::to_string(status)));
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_TRUE(refuses(ErrorCode::io, "expected a status of 200 to 299, found " + std::to_string(status),
                        "/status/" + std::to_string(status)));
  }
  const auto begin = steady_clock::now();
  EXPECT_TRUE(refuses(ErrorCode::usage, "expected a status of 200 to 299, found 404", "/status-then-stall/404"));
  EXPECT_TRUE(refuses(ErrorCode::io, "expected a status of 200 to 299, found 500", "/status-then-stall/500"));
  EXPECT_LT(since(begin), 5s) << "waited for a body that nobody wants";
  EXPECT_EQ(get("/status/200"), "hello");
  EXPECT_EQ(get("/status/299"), "hello");
}

TEST_F(Fetching, RefusesTooMuch) {
  const std::string problem = "expected at most 33554432 bytes, found more";
  EXPECT_TRUE(refuses(ErrorCode::usage, problem, "/size/33554433"));
  EXPECT_TRUE(refuses(ErrorCode::usage, problem, "/endless"));
  const auto begin = steady_clock::now();
  EXPECT_TRUE(refuses(ErrorCode::usage, problem, "/announced/33554433"));
  EXPECT_TRUE(refuses(ErrorCode::usage, problem, "/announced/9223372036854775807"));
  EXPECT_LT(since(begin), 5s) << "waited for a body that was announced as too large";
}

TEST_F(Fetching, RefusesTooManyHeaders) {
  const std::string problem = "expected headers of at most 65536 bytes, found more";
  EXPECT_EQ(get("/one-header/60000"), "hello");
  EXPECT_EQ(get("/many-headers/60"), "hello");
  for (const char* path : {"/one-header/70000", "/one-header/10000000", "/many-headers/70", "/long-status/200000",
                           "/endless-headers", "/endless-interim"}) {
    EXPECT_TRUE(refuses(ErrorCode::usage, problem, path)) << path;
  }
}

TEST_F(Fetching, RefusesAnAnswerThatBreaksOff) {
  for (const char* path : {"/too-short", "/cut-chunks", "/nothing", "/reset", "/ok-then-reset"}) {
    EXPECT_TRUE(refuses(ErrorCode::io, "expected a whole answer, found one that broke off", path)) << path;
  }
}

TEST_F(Fetching, RefusesWhatIsNotHttp) {
  EXPECT_TRUE(refuses(ErrorCode::usage, "expected an answer in HTTP, found something else", "/http09"));
}

TEST_F(Fetching, EndsInTime) {
  const NetworkLimits limits = {.connecting = 500ms, .whole = 1'500ms};
  std::vector<std::future<void>> all;
  for (const char* path : {"/stall", "/stall-in-body", "/trickle", "/announced/100"}) {
    all.push_back(std::async(std::launch::async, [this, path, limits] {
      const auto begin = steady_clock::now();
      EXPECT_TRUE(refuses(ErrorCode::io, "expected a whole answer in time, found none", path, limits)) << path;
      EXPECT_GT(since(begin), 1'400ms);
      EXPECT_LT(since(begin), 3s);
    }));
  }
}

TEST_F(Fetching, TakesThirtySecondsUnlessTold) {
  const auto begin = steady_clock::now();
  EXPECT_TRUE(refuses(ErrorCode::io, "expected a whole answer in time, found none", "/trickle"));
  EXPECT_GT(since(begin), 29s);
  EXPECT_LT(since(begin), 32s);
}

TEST_F(Fetching, IsCancelledAtOnce) {
  for (const char* path : {"/stall", "/stall-in-body", "/trickle", "/endless"}) {
    CancelToken cancel;
    steady_clock::time_point begin;
    std::thread later([&] {
      std::this_thread::sleep_for(20ms);
      begin = steady_clock::now();
      cancel.cancel();
    });
    EXPECT_TRUE(refused(ErrorCode::cancelled, {"cancelled"}, [&] { network_.get(server_.url(path), &cancel); }))
        << path;
    later.join();
    EXPECT_LT(since(begin), 500ms) << path;
    EXPECT_TRUE(refused(ErrorCode::cancelled, {}, [&] { network_.get(server_.url(path), &cancel); }));
  }
}

TEST_F(Fetching, GoesThroughNoProxy) {
  const Server proxy;
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    ::setenv(name, ("http://" + proxy.place()).c_str(), 1);
  }
  const TemporaryFolder home;
  write_bytes(home / ".netrc", "default login secret password secret\n");
  const char* before = std::getenv("HOME");
  ::setenv("HOME", home.path().c_str(), 1);
  EXPECT_EQ(get("/"), "hello");
  EXPECT_EQ(proxy.connections(), 0);
  EXPECT_EQ(server_.requests().find("Authorization"), std::string::npos);
  ::setenv("HOME", before == nullptr ? "/" : before, 1);
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    ::unsetenv(name);
  }
}

TEST_F(Fetching, OfManyThreadsEachGetsItsOwn) {
  std::vector<std::future<void>> all;
  for (int thread = 0; thread < 16; ++thread) {
    all.push_back(std::async(std::launch::async, [this, thread] {
      for (int i = 0; i < 10; ++i) {
        const int size = thread * 1000 + i;
        EXPECT_EQ(get("/size/" + std::to_string(size)).size(), static_cast<size_t>(size));
      }
    }));
  }
}

TEST_F(Fetching, LeavesNoDescriptor) {
  const auto next = [] {
    const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(descriptor);
    return descriptor;
  };
  get("/");
  const int before = next();
  for (const char* path : {"/", "/reset", "/status/404", "/endless", "/redirect/OWN"}) {
    try {
      get(path);
    } catch (const Error&) {
      continue;
    }
  }
  EXPECT_EQ(next(), before);
}

// With a key that no authority has signed.
TEST(FetchingByTls, VerifiesTheCertificate) {
  const TemporaryFolder folder;
  const std::string file = (folder / "both.pem").string();
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
      " -addext subjectAltName=IP:127.0.0.1 -keyout " +
      file + " -out " + file + ".crt 2> /dev/null && cat " + file + ".crt >> " + file;
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no openssl here to make a certificate";
  const Server server(file);
  const Server plain;
  const Network network({server.place(), plain.place()}, {.connecting = 700ms});
  EXPECT_TRUE(refused(ErrorCode::usage,
                      {server.place() + ": expected a certificate that this system can verify, found another"},
                      [&] { network.get("https://" + server.place() + "/", nullptr); }));
  EXPECT_TRUE(refused(ErrorCode::io, {plain.place() + ": expected a connection, found none"},
                      [&] { network.get("https://" + plain.place() + "/", nullptr); }));
  const Network hasty({plain.place()}, {.whole = 700ms});
  EXPECT_TRUE(refused(ErrorCode::io, {plain.place() + ": expected a connection, found none"},
                      [&] { hasty.get("https://" + plain.place() + "/", nullptr); }));
  EXPECT_EQ(plain.requests(), "");
}

class Sending : public Fetching {
 protected:
  void send(SendMethod method, const std::string& path, const std::string& type, std::span<const uint8_t> body,
            const CancelToken* cancel = nullptr) const {
    network_.send(method, server_.url(path), type, body, cancel);
  }
  void send(const std::string& path) const { send(SendMethod::post, path, "text/plain", as_bytes("hello")); }
};

TEST_F(Sending, WritesTheseHeadersAndTheBody) {
  const std::string body("\0{\"a\": 1}\r\n\xff", 12);
  const std::string rest = " HTTP/1.1\r\nHost: " + server_.place() + "\r\nUser-Agent: glm-image\r\nAccept: */*\r\n";
  send(SendMethod::post, "/hook?token=secret", "application/json", as_bytes(body));
  EXPECT_EQ(server_.requests(), "POST /hook?token=secret" + rest +
                                    "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n" + body + "\n");
  send(SendMethod::put, "/bucket/picture.png", "image/png", as_bytes(body));
  EXPECT_EQ(server_.requests(),
            "PUT /bucket/picture.png" + rest + "Content-Type: image/png\r\nContent-Length: 12\r\n\r\n" + body + "\n");
  for (const SendMethod method : {SendMethod::post, SendMethod::put}) {
    send(method, "/", "text/plain", {});
    EXPECT_TRUE(server_.requests().ends_with("Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\n"));
  }
}

TEST_F(Sending, SendsLargeBodiesWithoutAskingFirst) {
  std::vector<uint8_t> body(20'000'000);
  std::iota(body.begin(), body.end(), uint8_t{0});
  for (const SendMethod method : {SendMethod::post, SendMethod::put}) {
    send(method, "/", "image/png", body);
    const std::string request = server_.requests();
    EXPECT_EQ(request.find("Expect"), std::string::npos);
    EXPECT_EQ(request.find("Transfer-Encoding"), std::string::npos);
    EXPECT_NE(request.find("\r\nContent-Length: 20000000\r\n"), std::string::npos);
    EXPECT_TRUE(request.ends_with(std::string(as_text(body)) + "\n"));
  }
}

TEST_F(Sending, SucceedsWhateverFollowsTheStatus) {
  for (const char* path : {"/status/200", "/status/201", "/status/204", "/size/65536", "/size/10000000", "/endless",
                           "/too-short", "/ok-then-reset", "/gzip"}) {
    EXPECT_NO_THROW(send(path)) << path;
  }
  EXPECT_NO_THROW(network_.send(SendMethod::post, server_.url("/stall-in-body"), "text/plain", {}, nullptr, 300ms));
}

TEST_F(Sending, SaysWhetherTryingAgainMayHelp) {
  for (const char* path :
       {"/status/408", "/status/425", "/status/429", "/status/500", "/status/503", "/nothing", "/reset"}) {
    EXPECT_TRUE(refused(ErrorCode::io, {server_.place() + ": expected "}, [&] { send(path); })) << path;
  }
  for (const char* path : {"/status/400", "/status/404", "/redirect/OWN", "/http09", "/endless-interim"}) {
    EXPECT_TRUE(refused(ErrorCode::usage, {server_.place() + ": expected "}, [&] { send(path); })) << path;
  }
  EXPECT_EQ(server_.requests().find("/target"), std::string::npos);
}

TEST_F(Sending, TakesAtMostWhatItMay) {
  const auto begin = steady_clock::now();
  EXPECT_TRUE(refused(ErrorCode::io, {"expected a whole answer in time, found none"},
                      [&] { network_.send(SendMethod::post, server_.url("/stall"), "a/b", {}, nullptr, 300ms); }));
  EXPECT_LT(since(begin), 2s);
  const Network hasty({server_.place()}, {.whole = 300ms});
  EXPECT_TRUE(refused(ErrorCode::io, {"expected a whole answer in time, found none"},
                      [&] { hasty.send(SendMethod::post, server_.url("/stall"), "a/b", {}, nullptr, 10s); }));
  EXPECT_LT(since(begin), 4s);
}

TEST_F(Sending, IsCancelledAtOnce) {
  CancelToken cancel;
  steady_clock::time_point begin;
  std::thread later([&] {
    std::this_thread::sleep_for(50ms);
    begin = steady_clock::now();
    cancel.cancel();
  });
  EXPECT_TRUE(
      refused(ErrorCode::cancelled, {"cancelled"}, [&] { send(SendMethod::put, "/stall", "a/b", {}, &cancel); }));
  EXPECT_LT(since(begin), 500ms);
  later.join();
}

// The server's word came before the body had gone.
TEST_F(Sending, IsNotDoneBeforeTheBodyIsSent) {
  const std::vector<uint8_t> body(20'000'000);
  EXPECT_TRUE(refused(ErrorCode::io, {server_.place() + ": expected a whole answer, found one that broke off"},
                      [&] { send(SendMethod::put, "/early", "a/b", body); }));
}

// A signal that ends processes which don't handle it.
TEST_F(Sending, ToAServerThatHasGoneRaisesNoSignal) {
  const auto before = ::signal(SIGPIPE, SIG_DFL);
  const std::vector<uint8_t> body(20'000'000);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(refused(ErrorCode::io, {}, [&] { send(SendMethod::put, "/refuse-early", "a/b", body); }));
  }
  ::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace glm
