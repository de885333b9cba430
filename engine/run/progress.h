// Tells the caller how far a call is, asks whether to go on, and times each stage.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "glm/request.h"

namespace glm {

// Called with how many tokens or references are done and how many there are; may throw to stop.
using StepDone = std::function<void(int64_t done, int64_t total)>;

class Progress {
 public:
  // callbacks: the caller's; they have to outlive this. pictures: how many the call draws.
  Progress(const Callbacks& callbacks, at::Device device, int64_t pictures)
      : callbacks_(callbacks), device_(device), pictures_(pictures) {}

  // Tells the caller that `done` of a stage's `total` units are done: when the stage begins, and after each unit.
  // Throws Error(cancelled) when the caller wants the call to end.
  void tell(Stage stage, int64_t done, int64_t total);
  // The same for a stage that goes picture by picture. done and total are units of the picture of this index.
  void tell_of(size_t picture, Stage stage, int64_t done, int64_t total);

  // Throws Error(cancelled) when the caller wants the call to end.
  void poll() const;

  // Runs `call`, waits for the device, and adds the time to the stage's.
  void timed(Stage stage, const std::function<void()>& call);

  const std::vector<Result::StageTime>& times() const { return times_; }

  // Counts passes over the prior's weights.
  void add_passes(int64_t passes) { passes_ += passes; }
  int64_t passes() const { return passes_; }

 private:
  Result::StageTime& time_of(Stage stage);

  const Callbacks& callbacks_;
  at::Device device_;
  int64_t pictures_;
  int64_t passes_ = 0;
  std::vector<Result::StageTime> times_;  // in the order in which the stages began
};

}  // namespace glm
