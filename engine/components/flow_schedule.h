// The noise schedule.
// Upstream: diffusers FlowMatchEulerDiscreteScheduler with dynamic "linear" shifting, and GlmImagePipeline's own
// timesteps
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/checkpoint/config.h"

namespace glm {

struct FlowSchedule {
  double mu;
  std::vector<float> timesteps;  // [steps], whole numbers, not shifted; the DiT is told timestep - 1
  std::vector<float> sigmas;     // [steps + 1], shifted by mu; the last is 0

  // image_length: how many of the DiT's patches the picture has, N; steps: at least 1.
  FlowSchedule(const ScheduleConfig& c, int64_t image_length, int64_t steps);

  // Takes Euler's step k: returns x + (sigma of the next step - sigma of step k) * v. x, v: [P, C, h, w], v in fp32
  // -> fp32 [P, C, h, w]
  at::Tensor step(const at::Tensor& x, const at::Tensor& v, int64_t k) const;
};

}  // namespace glm
