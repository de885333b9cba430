#include "engine/run/progress.h"

#include <algorithm>
#include <chrono>

#include "base/refuse.h"
#include "engine/device/device.h"

namespace glm {

Result::StageTime& Progress::time_of(Stage stage) {
  const auto known = std::find_if(times_.begin(), times_.end(), [&](const auto& t) { return t.stage == stage; });
  return known != times_.end() ? *known : times_.emplace_back(Result::StageTime{stage, 0, 0});
}

void Progress::tell(Stage stage, int64_t done, int64_t total) {
  time_of(stage).units = done;
  if (callbacks_.progress) callbacks_.progress(stage, done, total);
  poll();
}

void Progress::poll() const {
  throw_if_cancelled(callbacks_.cancel);
}

void Progress::tell_of(size_t picture, Stage stage, int64_t done, int64_t total) {
  tell(stage, static_cast<int64_t>(picture) * total + done, pictures_ * total);
}

void Progress::timed(Stage stage, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  time_of(stage);
  call();
  synchronize(device_);
  time_of(stage).seconds += std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace glm
