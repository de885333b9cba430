// The states that a host may be in when it calls the C interface: forked, ending, short of threads, with arithmetic of
// its own. Each in a process of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <cfenv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "glm/pipeline.h"
#include "glm_image.h"
#include "tests/support/sanitizer.h"

namespace {

namespace fs = std::filesystem;

const std::string kSmall = GLM_BINARY_DIR "/checkpoints/a";
constexpr int kForAnyOne = 54321;  // a user without processes

// Runs `call` in a child and returns its exit status: what `call` returns, 128 + the signal that ended it, or 99 after
// a minute.
int status_in_child(const std::function<int()>& call) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(call());
  int status = 0;
  for (int i = 0; i < 6000; ++i) {
    if (::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return 99;
}

// An engine and a request of 128 x 128.
struct Host {
  glm_engine* engine = glm_engine_create();
  glm_request request{};
  glm_callbacks callbacks{};
  std::vector<uint8_t> rgb = std::vector<uint8_t>(size_t{3} * 128 * 128);

  Host() {
    glm_request_init(&request);
    glm_callbacks_init(&callbacks);
    callbacks.user = this;
    request.prompt = "a red apple";
    request.width = request.height = 128;
    request.steps = 2;
  }
  ~Host() { glm_engine_destroy(engine); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  glm_status load(int threads = 1, const std::string& checkpoint = kSmall, bool map = false) const {
    glm_load_options options;
    glm_load_options_init(&options);
    options.device = "cpu";
    options.dtype = "float32";
    options.threads = threads;
    options.map_weights = map ? 1 : 0;
    return glm_engine_load(engine, checkpoint.c_str(), &options);
  }
  glm_status draw() { return glm_engine_generate(engine, &request, &callbacks, rgb.data(), rgb.size()); }
  std::string error() const {
    char text[1000];
    glm_engine_last_error(engine, text, sizeof text);
    return text;
  }
};

std::vector<uint8_t> expected_picture() {
  Host host;
  EXPECT_EQ(host.load(2), GLM_OK) << host.error();
  EXPECT_EQ(host.draw(), GLM_OK) << host.error();
  return host.rgb;
}

TEST(ForkedHost, ItsChildGetsAStatusAtOnce) {
  Host host;
  ASSERT_EQ(host.load(2), GLM_OK) << host.error();
  ASSERT_EQ(host.draw(), GLM_OK);
  const std::vector<uint8_t> whole = host.rgb;
  const auto child = [&] {
    glm_sizes sizes;
    glm_sizes_init(&sizes);
    std::vector<int64_t> tokens(1000);
    if (host.draw() != GLM_USAGE || host.error().find("fork") == std::string::npos) return 1;
    if (glm_engine_sizes(host.engine, &host.request, &sizes) != GLM_USAGE) return 2;
    if (glm_engine_tokens(host.engine, &host.request, nullptr, tokens.data(), tokens.size()) != GLM_USAGE) return 3;
    if (host.load() != GLM_USAGE) return 4;
    glm_engine_destroy(host.engine);  // returns
    Host own;
    return own.load(2) == GLM_OK && own.draw() == GLM_OK && own.rgb == whole ? 0 : 5;
  };
  EXPECT_EQ(status_in_child(child), 0);
  EXPECT_EQ(status_in_child([&] { return status_in_child(child); }), 0) << "a child's child";
  EXPECT_EQ(host.draw(), GLM_OK) << "the parent draws on";
}

TEST(ForkedHost, ItsChildEndsAsAnyOther) {
  Host host;
  ASSERT_EQ(host.load(3), GLM_OK);
  EXPECT_EQ(status_in_child([]() -> int { std::exit(5); }), 5);
}

// Threads of OpenMP end after the engine that started them. They held locks of MKL in a child that was forked
// meanwhile.
TEST(ForkedHost, RightAfterAnEngineWasDestroyed) {
  for (int i = 0; i < 10; ++i) {
    expected_picture();
    ASSERT_EQ(status_in_child([] {
                Host own;
                return own.load(2) == GLM_OK && own.draw() == GLM_OK ? 0 : 1;
              }),
              0)
        << i;
  }
}

TEST(ForkedHost, WhileAnotherThreadLoadsOrDraws) {
  Host host;
  std::promise<void> begun, go_on;
  struct Waits {
    std::promise<void>*begun, *go_on;
    bool waited = false;
  } waits{&begun, &go_on};
  host.callbacks.user = &waits;
  host.callbacks.progress = [](void* user, glm_stage, int64_t, int64_t) {
    auto* const w = static_cast<Waits*>(user);
    if (std::exchange(w->waited, true)) return;
    w->begun->set_value();
    w->go_on->get_future().wait();
  };
  ASSERT_EQ(host.load(), GLM_OK);
  auto drawing = std::async(std::launch::async, [&] { return host.draw(); });
  begun.get_future().wait();
  EXPECT_EQ(status_in_child([&] {
              const bool told = host.draw() == GLM_USAGE && !host.error().empty();
              glm_engine_destroy(host.engine);
              return told ? 0 : 1;
            }),
            0);
  go_on.set_value();
  EXPECT_EQ(drawing.get(), GLM_OK);
}

TEST(ForkedHost, APipelineInCppToo) {
  const glm::Pipeline pipeline(kSmall, {.device = "cpu", .threads = 2});
  glm::Request request;
  request.prompt = "a red apple";
  request.width = request.height = 128;
  request.steps = 1;
  EXPECT_EQ(
      status_in_child([&] {
        glm::Pipeline moved = std::move(const_cast<glm::Pipeline&>(pipeline));
        int refused = 0;
        for (const std::function<void()>& call : std::vector<std::function<void()>>{
                 [&] { moved.generate(request, {}); }, [&] { moved.details(request); }, [&] { moved.warnings(); }}) {
          try {
            call();
          } catch (const glm::Error& e) {
            if (e.code() == glm::ErrorCode::usage) ++refused;
          }
        }
        return refused == 3 ? 0 : 1;  // after `moved` was destroyed
      }),
      0);
  EXPECT_EQ(pipeline.generate(request, {}).pictures.size(), 1);
}

// The moments: while it loads, at the first token, at a step, when it waits for its turn.
TEST(EndingHost, ExitWhileAnotherThreadDraws) {
  for (const int moment : {0, 1, 2, 3}) {
    EXPECT_EQ(status_in_child([&] {
                static Host& host = *new Host;  // no static object that exit() would destroy under the call
                static std::atomic<int> reached = -1;
                host.callbacks.progress = [](void*, glm_stage stage, int64_t, int64_t) {
                  reached = stage == GLM_STAGE_TOKENS ? 1 : 2;
                };
                const auto draw_for_ever = [] {
                  reached = 0;
                  if (host.load(2) != GLM_OK) return;
                  while (host.draw() == GLM_OK) {
                  }
                };
                std::thread(draw_for_ever).detach();
                while (reached < std::min(moment, 2)) std::this_thread::yield();
                if (moment == 3) std::thread([] { host.draw(); }).detach();
                std::exit(7);
                return 0;
              }),
              7)
        << moment;
  }
}

TEST(EndingHost, ExitInACallback) {
  EXPECT_EQ(status_in_child([] {
              static Host& host = *new Host;  // no static object that exit() would destroy under the call
              host.callbacks.progress = [](void*, glm_stage, int64_t, int64_t) { std::exit(8); };
              host.load();
              host.draw();
              return 0;
            }),
            8);
}

// As a host whose callbacks need a lock that the thread which exits holds.
TEST(EndingHost, ExitDoesNotWaitForACallback) {
  EXPECT_EQ(status_in_child([] {
              static Host& host = *new Host;  // no static object that exit() would destroy under the call
              static std::promise<void> begun;
              host.callbacks.progress = [](void*, glm_stage, int64_t, int64_t) {
                begun.set_value();
                while (true) ::pause();
              };
              std::thread([] {
                host.load();
                host.draw();
              }).detach();
              begun.get_future().wait();
              std::exit(9);
              return 0;
            }),
            9);
}

TEST(EndingHost, DestroysItsEngineAtExit) {
  EXPECT_EQ(status_in_child([] {
              static Host host;  // before the first load, so it is destroyed after the library's own end
              if (host.load(2) != GLM_OK || host.draw() != GLM_OK) return 1;
              std::atexit([] {
                if (host.draw() != GLM_OK) ::_exit(2);  // before the library's end: it draws
              });
              std::exit(6);
              return 0;
            }),
            6);
}

// A program that starts with the library, and tells where it is.
TEST(EndingHost, StartsInARemovedFolder) {
  if (glm::kSanitized) GTEST_SKIP() << "a sanitizer has to be in the program first";
  EXPECT_EQ(status_in_child([] {
              char folder[] = "/tmp/glm-image-gone-XXXXXX";
              if (::mkdtemp(folder) == nullptr || ::chdir(folder) != 0 || ::rmdir(folder) != 0) return 1;
              const char* const script =
                  "case $(LD_PRELOAD=" GLM_BINARY_DIR
                  "/libglm_image.so readlink /proc/self/cwd) in *deleted*) exit 0;; esac; exit 2";
              ::execl("/bin/sh", "sh", "-c", script, nullptr);
              return 3;
            }),
            0);
}

// Few threads: as many as there are; none: a status.
TEST(HostWithFewThreads, LivesAndGetsThePictureOrAStatus) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become a user without processes";
  if (glm::kSanitized) GTEST_SKIP() << "a sanitizer's threads count, too";
  for (const rlim_t limit : {1, 2, 3, 4, 6, 9}) {
    EXPECT_EQ(status_in_child([&] {
                const rlimit most{limit, limit};
                if (::setrlimit(RLIMIT_NPROC, &most) != 0 || ::setgid(kForAnyOne) != 0 || ::setuid(kForAnyOne) != 0)
                  return 77;
                Host host;
                const glm_status status = host.load(8);
                if (limit == 1)
                  return status == GLM_MEMORY && host.error().find("ulimit -u") != std::string::npos ? 0 : 1;
                if (status != GLM_OK) return 2;
                return host.draw() == GLM_OK ? 0 : 3;
              }),
              0)
        << limit;
  }
}

TEST(HostWithItsOwnArithmetic, GetsThePictureAndKeepsItsState) {
  const std::vector<uint8_t> whole = expected_picture();
  const auto drawn = [&](const std::function<void()>& prepare) {
    return status_in_child([&] {
      prepare();
      std::fenv_t before;
      std::fegetenv(&before);
      Host host;
      host.request.temperature = NAN;  // comparing it raises FE_INVALID
      glm_sizes sizes;
      glm_sizes_init(&sizes);
      if (host.load(2) != GLM_OK || host.draw() != GLM_USAGE) return 1;
      if (glm_engine_sizes(host.engine, &host.request, &sizes) != GLM_USAGE) return 2;
      host.request.temperature = -1;
      if (host.draw() != GLM_OK || host.rgb != whole) return 3;
      std::fenv_t after;
      std::fegetenv(&after);
      const bool same = before.__mxcsr == after.__mxcsr && before.__control_word == after.__control_word;
      std::fesetenv(FE_DFL_ENV);
      return same ? 0 : 4;
    });
  };
  EXPECT_EQ(drawn([] { ::feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW); }), 0);
  EXPECT_EQ(drawn([] { ::feenableexcept(FE_ALL_EXCEPT); }), 0);
  EXPECT_EQ(drawn([] { std::fesetround(FE_UPWARD); }), 0);
  EXPECT_EQ(drawn([] {
              std::fenv_t flushed;
              std::fegetenv(&flushed);
              flushed.__mxcsr |= 0x8040;  // small numbers become 0
              std::fesetenv(&flushed);
            }),
            0);
}

// What a callback sets for its own arithmetic ends with it.
TEST(HostWithItsOwnArithmetic, SetInACallbackStaysThere) {
  const std::vector<uint8_t> whole = expected_picture();
  static int what = 0;
  for (what = 0; what < 3; ++what) {
    EXPECT_EQ(status_in_child([&] {
                Host host;
                host.callbacks.progress = [](void*, glm_stage, int64_t, int64_t) {
                  if (what == 0) std::fesetround(FE_UPWARD);
                  if (what == 1) ::feenableexcept(FE_ALL_EXCEPT);
                  if (what == 2) _mm_setcsr(_mm_getcsr() | 0x8040U);  // small numbers become 0
                };
                if (host.load(2) != GLM_OK || host.draw() != GLM_OK) return 1;
                return host.rgb == whole ? 0 : 2;
              }),
              0)
        << what;
  }
}

// Python calls pthread_exit() in callbacks when it ends.
TEST(EndedThread, InACallbackIsToldToWhoeverWaits) {
  EXPECT_EQ(status_in_child([] {
              Host host;
              if (host.load(2) != GLM_OK) return 1;
              host.callbacks.progress = [](void*, glm_stage stage, int64_t, int64_t) {
                if (stage == GLM_STAGE_STEPS) ::pthread_exit(nullptr);
              };
              auto waiting = std::async(std::launch::async, [&] { return host.draw(); });
              if (host.draw() != GLM_INTERNAL || host.error().find("ended the thread") == std::string::npos) return 2;
              if (waiting.get() != GLM_INTERNAL || host.draw() != GLM_INTERNAL) return 3;
              Host next;
              return next.load(2) == GLM_OK && next.draw() == GLM_OK ? 0 : 4;
            }),
            0);
}

// A host's thread pool cancels a thread that waits for a picture.
TEST(EndedThread, ThatIsCancelledEndsAfterTheCall) {
  for (const bool loads : {false, true}) {
    EXPECT_EQ(status_in_child([&] {
                static Host host;
                static std::promise<void> begun;
                host.callbacks.progress = [](void*, glm_stage stage, int64_t done, int64_t) {
                  if (stage == GLM_STAGE_TOKENS && done == 1) begun.set_value();
                };
                if (!loads && host.load(2) != GLM_OK) return 1;
                pthread_t thread{};
                const auto work = [](void* load) -> void* {
                  if (load != nullptr) host.load(2);
                  host.draw();
                  ::pthread_testcancel();
                  return nullptr;
                };
                ::pthread_create(&thread, nullptr, work, loads ? &thread : nullptr);
                if (!loads) begun.get_future().wait();
                ::pthread_cancel(thread);
                void* ended = nullptr;
                ::pthread_join(thread, &ended);
                host.callbacks.progress = nullptr;
                return ended == PTHREAD_CANCELED && host.draw() == GLM_OK ? 0 : 2;
              }),
              0)
        << loads;
  }
}

// Each limit of memory gives a status.
TEST(HostWithLittleMemory, LivesAndGetsAStatus) {
  if (glm::kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  for (rlim_t megabytes = 40; megabytes <= 200; megabytes += 8) {
    EXPECT_EQ(status_in_child([&] {
                const rlimit most{megabytes << 20U, megabytes << 20U};
                ::setrlimit(RLIMIT_DATA, &most);
                Host host;
                const glm_status loaded = host.load(2);
                if (loaded != GLM_OK) return loaded == GLM_MEMORY ? 0 : 10 + loaded;
                const glm_status drawn = host.draw();
                return drawn == GLM_OK || drawn == GLM_MEMORY ? 0 : 20 + drawn;
              }),
              0)
        << megabytes;
  }
}

// Files that weights are mapped from are changed under the engine: by another, between calls, and in a call.
TEST(HostThatMapsItsWeights, HearsWhenTheirFilesChange) {
  const fs::path folder = fs::temp_directory_path() / ("glm-image-host-" + std::to_string(::getpid()));
  const auto changed = [&](const std::function<void(const fs::path& weights)>& change, bool in_a_call) {
    fs::remove_all(folder);
    fs::copy(kSmall, folder, fs::copy_options::recursive);
    return status_in_child([&] {
      static std::function<void()> now;
      now = [&] { change(folder / "transformer/diffusion_pytorch_model.safetensors"); };
      Host host;
      if (host.load(1, folder, true) != GLM_OK || host.draw() != GLM_OK) return 1;
      host.callbacks.progress = [](void*, glm_stage stage, int64_t, int64_t) {
        if (stage == GLM_STAGE_GLYPHS && now) std::exchange(now, nullptr)();
      };
      if (!in_a_call) std::exchange(now, nullptr)();
      if (host.draw() != GLM_MODEL || host.error().find("map_weights") == std::string::npos) return 2;
      return host.draw() == GLM_MODEL ? 0 : 3;
    });
  };
  for (const bool in_a_call : {false, true}) {
    EXPECT_EQ(changed([](const fs::path& w) { fs::resize_file(w, 100); }, in_a_call), 0) << "cut short";
    EXPECT_EQ(changed([](const fs::path& w) { fs::resize_file(w, 0); }, in_a_call), 0) << "emptied";
    EXPECT_EQ(changed([](const fs::path& w) { fs::resize_file(w, fs::file_size(w) + 1); }, in_a_call), 0) << "grown";
    EXPECT_EQ(changed([](const fs::path& w) { std::fstream(w) << "other bytes"; }, in_a_call), 0) << "written to";
  }
  fs::remove_all(folder);
}

}  // namespace
