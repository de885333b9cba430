// The ends of a host's process and of its threads while it calls the C interface. Each in a process of its own.
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "glm_image.h"
#include "tests/api/host.h"
#include "tests/support/sanitizer.h"

namespace {

using glm::test::Host;
using glm::test::status_in_child;

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

}  // namespace
