// The states that a host may be in when it calls the C interface: forked, ending, short of threads, with arithmetic of
// its own. Each in a process of its own.
#include "tests/api/host.h"

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
using glm::test::expected_picture;
using glm::test::Host;
using glm::test::kForAnyOne;
using glm::test::kSmall;
using glm::test::status_in_child;

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
