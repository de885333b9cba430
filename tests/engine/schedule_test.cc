// The noise schedule.
#include <ATen/ATen.h>

#include "engine/components/flow_schedule.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

using ScheduleStage = StageTest;

TEST_P(ScheduleStage, MuSigmasAndTimestepsAreUpstreams) {
  const int64_t steps = golden.parameters().at("steps");
  const FlowSchedule schedule(model.config.schedule, 4 * grid().height * grid().width, steps);
  EXPECT_TRUE(golden.bytes_equal("sched.mu", at::tensor({schedule.mu}, at::kDouble)));
  EXPECT_TRUE(golden.bytes_equal("sched.sigmas", at::tensor(schedule.sigmas, at::kFloat)));
  EXPECT_TRUE(golden.bytes_equal("sched.timesteps", at::tensor(schedule.timesteps, at::kFloat)));
  for (int64_t k = 0; k < steps; ++k) {  // what the decoder is told: one less, not shifted
    EXPECT_TRUE(golden.bytes_equal("step" + std::to_string(k) + ".timestep",
                                   at::tensor({schedule.timesteps[static_cast<size_t>(k)] - 1}, at::kFloat)));
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, ScheduleStage, testing::ValuesIn(float32_cases()), case_name);

// The timesteps that upstream gives for 30 steps, where an exact quotient and a rounded one part.
TEST(FlowSchedule, TruncatesAsUpstreamDoes) {
  const FlowSchedule schedule(
      {.train_timesteps = 1000, .base_image_length = 256, .base_shift = 0.25, .max_shift = 0.75}, 4096, 30);
  const std::vector<float> expected = {1000, 966, 933, 900, 866, 833, 800, 766, 733, 700, 667, 633, 600, 567, 533,
                                       500,  467, 433, 400, 367, 334, 300, 267, 234, 200, 167, 134, 100, 67,  34};
  EXPECT_EQ(schedule.timesteps, expected);
  EXPECT_EQ(schedule.mu, 3.25);
  EXPECT_EQ(schedule.sigmas.front(), 1.0F);
  EXPECT_EQ(schedule.sigmas.back(), 0.0F);
}

}  // namespace
}  // namespace glm
