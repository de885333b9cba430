#include "engine/components/flow_schedule.h"

#include <ATen/ATen.h>

#include <cmath>

namespace glm {

FlowSchedule::FlowSchedule(const ScheduleConfig& c, int64_t image_length, int64_t steps)
    : mu(std::sqrt(static_cast<double>(image_length) / static_cast<double>(c.base_image_length)) * c.max_shift +
         c.base_shift) {
  // Upstream: np.linspace(num_train_timesteps, 1.0, steps + 1)[:-1].astype(int64). numpy multiplies, then adds. A fused
  // multiply-add would change some timesteps, so `volatile` makes the compiler round the product first.
  const auto first = static_cast<double>(c.train_timesteps);
  const double step_size = (1.0 - first) / static_cast<double>(steps);
  const auto mu_single = static_cast<float>(mu);
  for (int64_t i = 0; i < steps; ++i) {
    const volatile double offset = static_cast<double>(i) * step_size;
    const auto t = static_cast<float>(static_cast<int64_t>(first + offset));
    const float sigma = t / static_cast<float>(first);
    timesteps.push_back(t);
    sigmas.push_back(mu_single / (mu_single + (1.0F / sigma - 1.0F)));
  }
  sigmas.push_back(0.0F);
}

at::Tensor FlowSchedule::step(const at::Tensor& x, const at::Tensor& v, int64_t k) const {
  const auto i = static_cast<size_t>(k);
  return x.to(at::kFloat) + static_cast<double>(sigmas[i + 1] - sigmas[i]) * v;
}

}  // namespace glm
