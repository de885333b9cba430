// A host of the C interface for tests, and a child of the tests' process to try it in.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "glm_image.h"

namespace glm::test {

inline const std::string kSmall = GLM_BINARY_DIR "/checkpoints/a";
inline constexpr int kForAnyOne = 54321;  // a user without processes

// Runs `call` in a child and returns its exit status: what `call` returns, 128 + the signal that ended it, or 99 after
// a minute.
inline int status_in_child(const std::function<int()>& call) {
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

inline std::vector<uint8_t> expected_picture() {
  Host host;
  EXPECT_EQ(host.load(2), GLM_OK) << host.error();
  EXPECT_EQ(host.draw(), GLM_OK) << host.error();
  return host.rgb;
}

}  // namespace glm::test
