#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

namespace glm::cli {
namespace {

constexpr int kWidth = 24;

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  const std::string s = std::to_string(whole % 60);
  return std::to_string(whole / 60) + ":" + (s.size() < 2 ? "0" : "") + s;
}

}  // namespace

ProgressBar::ProgressBar(bool wanted) : visible_(wanted && ::isatty(STDERR_FILENO) == 1) {}

void ProgressBar::update(Stage stage, int64_t done, int64_t total) {
  if (!visible_) return;
  const Clock::time_point now = Clock::now();
  if (stage != stage_ || stage_start_ == Clock::time_point{}) {
    stage_ = stage;
    stage_start_ = now;
    first_done_ = done;
  } else if (done < total && now - last_draw_ < std::chrono::milliseconds(100)) {
    return;
  }
  last_draw_ = now;
  const auto filled = static_cast<int>(done * kWidth / total);
  const double seconds = std::chrono::duration<double>(now - stage_start_).count();
  std::string line = std::string(stage_name(stage)) + " [" + std::string(static_cast<size_t>(filled), '#') +
                     std::string(static_cast<size_t>(kWidth - filled), '.') + "] " + std::to_string(done) + "/" +
                     std::to_string(total);
  if (done > first_done_ && seconds > 0) {
    const double rate = static_cast<double>(done - first_done_) / seconds;
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "  %.1f/s  %s left", rate,
                  clock_text(static_cast<double>(total - done) / rate).c_str());
    line += numbers;
  }
  std::cerr << "\r\033[K" << line << std::flush;
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

}  // namespace glm::cli
