// The noise schedule. Upstream: diffusers FlowMatchEulerDiscreteScheduler with dynamic "linear" shifting, and
// GlmImagePipeline's own timesteps
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/checkpoint/config.h"

namespace glm {

struct FlowSchedule {
  double mu;
  std::vector<float> timesteps;  // [n], whole numbers, not shifted; the decoder is told timestep - 1
  std::vector<float> sigmas;     // [n + 1], shifted by mu, the last is 0

  // image_length: decoder patches of the picture. steps >= 1.
  FlowSchedule(const ScheduleConfig& c, int64_t image_length, int64_t steps);

  // Euler: x + (sigma of the next step - sigma of step k) * v, in fp32. x, v: [P, C, h, w]
  at::Tensor step(const at::Tensor& x, const at::Tensor& v, int64_t k) const;
};

}  // namespace glm
