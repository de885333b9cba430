// A progress bar on standard error, when that is a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "glm/pipeline.h"

namespace glm::cli {

class ProgressBar {
 public:
  explicit ProgressBar(bool wanted);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Shows the stage, the part that is done, the rate and the remaining time. Redraws at most ten times a second.
  void update(Stage stage, int64_t done, int64_t total);
  // Shows how many of `total` bytes are done, the speed and the remaining time.
  void update_bytes(const std::string& what, int64_t done, int64_t total);
  void clear();  // removes the bar

 private:
  using Clock = std::chrono::steady_clock;
  void draw(int64_t done, int64_t total, double seconds);
  void show(const std::string& line);

  bool visible_;
  bool drawn_ = false;
  Stage stage_ = Stage::tokens;
  int64_t first_done_ = 0;  // at stage_start_
  Clock::time_point stage_start_{};
  Clock::time_point last_draw_{};
};

}  // namespace glm::cli
