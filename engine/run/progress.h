// How far a call is: the caller is told, asked whether to go on, and each stage is timed.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "glm/request.h"

namespace glm {

// Called after tokens or steps with what is done and the total; may throw to stop.
using StepDone = std::function<void(int64_t done, int64_t total)>;

class Progress {
 public:
  // callbacks: the caller's, which has to outlive this. pictures: of the call.
  Progress(const Callbacks& callbacks, at::Device device, int64_t pictures)
      : callbacks_(callbacks), device_(device), pictures_(pictures) {}

  // Tells what is there already when a stage begins, and then each of its units. Throws Error(cancelled) when the
  // caller wants the call to end.
  void tell(Stage stage, int64_t done, int64_t total);
  // The same for a stage that goes picture by picture. done, total: of the picture of this index.
  void tell_of(size_t picture, Stage stage, int64_t done, int64_t total);

  // Runs `call` and adds its time to the stage's.
  void timed(Stage stage, const std::function<void()>& call);

  const std::vector<Result::StageTime>& times() const { return times_; }

 private:
  Result::StageTime& time_of(Stage stage);

  const Callbacks& callbacks_;
  at::Device device_;
  int64_t pictures_;
  std::vector<Result::StageTime> times_;  // in the order in which the stages began
};

}  // namespace glm
