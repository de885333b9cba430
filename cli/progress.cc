#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/text.h"

namespace glm::cli {
namespace {

constexpr int64_t kWidth = 24;

std::string clock_text(double seconds) {
  const auto whole = std::lround(seconds);
  char text[32];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%lldh%02d", static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60));
  }
  return text;
}

// "12.5/s  0:04 left", or "2.5 s each  0:04 left" where one takes longer than a second.
std::string speed_text(double rate, int64_t left) {
  char text[64];
  std::snprintf(text, sizeof text, rate >= 1 ? "%.1f/s" : "%.1f s each", rate >= 1 ? rate : 1 / rate);
  return std::string(text) + "  " + clock_text(static_cast<double>(left) / rate) + " left";
}

std::string bar_text(int64_t done, int64_t total) {
  const int64_t filled =
      static_cast<int64_t>(static_cast<double>(done) / static_cast<double>(total) * static_cast<double>(kWidth));
  const auto marks = static_cast<size_t>(std::clamp<int64_t>(filled, 0, kWidth));
  return " [" + std::string(marks, '#') + std::string(static_cast<size_t>(kWidth) - marks, '.') + "] ";
}

// The width to cut the bar to, because a line that wraps can't be redrawn.
size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// Says whether standard error is a terminal that can redraw a line. Some, such as an editor's, would show the codes.
bool can_redraw() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (kind == nullptr || std::string(kind) != "dumb");
}

}  // namespace

ProgressBar::ProgressBar(bool wanted) : visible_(wanted && can_redraw()) {}

void ProgressBar::update(Stage stage, int64_t done, int64_t total) {
  if (!visible_ || total < 1) return;
  const Clock::time_point now = Clock::now();
  const bool begins = stage != stage_ || stage_start_ == Clock::time_point{};
  // The first token's time includes reading the prompt, so the rate is measured from there on.
  if (begins || (stage == Stage::tokens && done == 1)) {
    stage_ = stage;
    stage_start_ = now;
    first_done_ = done;
  }
  if (!begins && done < total && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  draw(done, total, std::chrono::duration<double>(now - stage_start_).count());
}

void ProgressBar::draw(int64_t done, int64_t total, double seconds) {
  std::string line =
      std::string(stage_name(stage_)) + bar_text(done, total) + std::to_string(done) + "/" + std::to_string(total);
  if (done > first_done_ && seconds > 0) {
    line += "  " + speed_text(static_cast<double>(done - first_done_) / seconds, total - done);
  }
  show(line);
}

void ProgressBar::update_bytes(const std::string& what, int64_t done, int64_t total) {
  if (!visible_ || total < 1) return;
  const Clock::time_point now = Clock::now();
  if (stage_start_ == Clock::time_point{}) stage_start_ = now;
  if (done < total && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  const double seconds = std::chrono::duration<double>(now - stage_start_).count();
  std::string line = what + bar_text(done, total) + gigabytes_text(static_cast<double>(done)) + " of " +
                     gigabytes_text(static_cast<double>(total));
  if (done > 0 && seconds > 0) {
    const double rate = static_cast<double>(done) / seconds;
    line += "  " + gigabytes_text(rate) + "/s  " + clock_text(static_cast<double>(total - done) / rate) + " left";
  }
  show(line);
}

void ProgressBar::show(const std::string& line) {
  std::cerr << "\r\033[K" << line.substr(0, terminal_columns() - 1) << std::flush;
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

}  // namespace glm::cli
