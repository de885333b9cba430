#include "engine/run/look_ahead.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/refuse.h"
#include "kernels/host/host_kernels.h"

namespace glm {
namespace {

constexpr double kMemory = 64;      // after so many passes the earlier ones count half
constexpr double kGuessWeight = 4;  // the first estimate counts as much as so many passes
constexpr int64_t kShortPause = 8;  // passes
constexpr int64_t kLongPause = 256;
constexpr size_t kShown = 40;  // so many characters of a wrong option are shown
// A pass may raise the known time by this factor at most. A single slow pass may only have been interrupted.
constexpr double kSlowerAtMost = 1.05;

}  // namespace

int64_t look_ahead_rows(const std::string& option) {
  if (option == "auto") return 0;
  if (option == "off") return 1;
  int64_t rows = 0;
  const char* const end = option.data() + option.size();
  const auto [last, problem] = std::from_chars(option.data(), end, rows);
  if (problem != std::errc() || last != end || rows < 1 || rows > host::kMostRows) {
    refuse("look-ahead", "auto, off or a whole number from 1 to 16", "\"" + option.substr(0, kShown) + "\"");
  }
  return rows;
}

std::vector<int64_t> Guesses::fed(int64_t rows) const {
  std::vector<int64_t> all = {written_.back()};
  for (int64_t i = 0; i + 1 < rows; ++i) {
    const auto known = static_cast<size_t>(i);
    all.push_back(known < drawn_.size() ? drawn_[known] : all.back());
  }
  return all;
}

int64_t Guesses::right(const std::vector<int64_t>& fed, const std::vector<int64_t>& drawn) {
  int64_t count = 1;
  while (count < static_cast<int64_t>(fed.size()) &&
         fed[static_cast<size_t>(count)] == drawn[static_cast<size_t>(count) - 1]) {
    ++count;
  }
  return count;
}

void Guesses::take(const std::vector<int64_t>& drawn, int64_t accepted) {
  const auto end = drawn.begin() + accepted;
  written_.insert(written_.end(), drawn.begin(), end);
  drawn_.assign(end, drawn.end());
}

int64_t RowChooser::rows(int64_t pictures) {
  if (asked_ > 0) return std::min(asked_, host::kMostRows / pictures);
  if (pictures != pictures_) {
    pictures_ = pictures;
    seconds_ = {};
    next_ = choice_;
  }
  while (!may_take(choice_)) --choice_;
  if (!may_take(next_)) next_ = choice_;
  return kChoices[next_];
}

void RowChooser::Share::see(bool is_right) {
  if (all >= kMemory) {
    right /= 2;
    all /= 2;
  }
  right += is_right ? 1 : 0;
  all += 1;
}

void RowChooser::count(int64_t rows, int64_t accepted) {
  for (int64_t place = 1; place < rows; ++place) {
    places_[static_cast<size_t>(place)].see(place < accepted);
    if (place <= accepted) draws_.see(place < accepted);
  }
}

// Returns how many tokens a pass of so many rows writes on average. For a place that few passes had, the share of right
// draws at all places is a first estimate.
double RowChooser::tokens_of(int64_t rows) const {
  const double usual = (draws_.right + 1) / (draws_.all + 2);
  double reached = 1;
  double sum = 1;
  for (int64_t place = 1; place < rows; ++place) {
    const Share& seen = places_[static_cast<size_t>(place)];
    reached = (seen.right + kGuessWeight * usual * reached) / (seen.all + kGuessWeight);
    sum += reached;
  }
  return sum;
}

size_t RowChooser::fastest() const {
  size_t best = choice_;
  const auto speed = [&](size_t i) { return tokens_of(kChoices[i]) / seconds_[i]; };
  for (size_t i = 0; i < kChoices.size(); ++i) {
    if (seconds_[i] > 0 && may_take(i) && speed(i) > speed(best)) best = i;
  }
  return best;
}

// Passes take longer as the sequence grows. The chosen number of rows is measured all the time, and the other numbers
// only now and then. So when the time of the choice changes, the known times of the others change by the same factor.
void RowChooser::learn_time(double seconds) {
  const double known = seconds_[next_];
  const double now = known > 0 ? std::min(seconds, known * kSlowerAtMost) : seconds;
  if (known > 0 && next_ == choice_) {
    for (double& time : seconds_) time *= now / known;
  }
  seconds_[next_] = now;
}

void RowChooser::learn(int64_t rows, const std::vector<int64_t>& accepted, double seconds) {
  if (asked_ > 0 || rows != kChoices[next_]) return;  // a pass at the end of a picture, which has fewer rows
  for (const int64_t n : accepted) count(rows, n);
  learn_time(seconds);
  const size_t before = choice_;
  choice_ = fastest();
  if (choice_ != before) pause_ = kShortPause;
  choose_next();
}

// Decides what the next pass measures. A neighbour of the choice that was never measured comes at once. The others come
// after a pause, which doubles each time.
void RowChooser::choose_next() {
  next_ = choice_;
  const bool is_due = ++passes_ > pause_;
  for (int turn = 0; turn < 2; ++turn, up_ = !up_) {
    if (up_ ? !may_take(choice_ + 1) : choice_ == 0) continue;
    const size_t neighbour = up_ ? choice_ + 1 : choice_ - 1;
    if (!is_due && seconds_[neighbour] > 0) continue;
    next_ = neighbour;
    if (is_due) pause_ = std::min(2 * pause_, kLongPause);
    passes_ = 0;
    up_ = !up_;
    return;
  }
}

}  // namespace glm
