// The check that a new GPU's kernels go through, of the kernels' bodies on the host: bodies and ATen references agree.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <iterator>

#include "engine/device/trust/kernel_check.h"
#include "tests/kernels/step_host.h"

namespace glm {
namespace {

constexpr int kMultiprocessors = 3;

const char* run_all(const std::vector<cuda::Call>& calls) {
  run_calls(calls, {.blocks = kMultiprocessors});
  return nullptr;
}

TEST(KernelTrials, AreWonByTheKernelsBodies) {
  int linear = 0;
  int others = 0;
  visit_kernel_trials(at::kCPU, kMultiprocessors, /*real=*/false, [&](const KernelTrial& trial) {
    const KernelVerdict v = judge_trial(trial, at::kCPU, run_all);
    EXPECT_EQ(v.problem, "") << v.kernel << " " << v.format << " " << v.shape;
    EXPECT_GT(v.allowed, 0);
    ++(v.format.empty() ? others : linear);
  });
  EXPECT_GE(linear, static_cast<int>(std::size(cuda::kFormats)) * 2);
  EXPECT_GE(others, 5);
}

// A call of the same kernel that isn't what was asked: each kernel's trial notices.
TEST(KernelTrials, AreLostByKernelsThatAreALittleWrong) {
  const auto change = [](cuda::Call& call) {
    switch (call.kernel) {
      case cuda::Kernel::linear:
        call.linear.x_stride -= 8;  // another column in every row but the first
        break;
      case cuda::Kernel::attention:
        call.attention.scale *= 1.1f;
        break;
      case cuda::Kernel::norm:
        call.norm.eps = 0.1f;
        break;
      case cuda::Kernel::sample:
        call.sample.codebook -= 500;
        call.sample.temperature *= 1.5f;
        call.sample.greedy = 1 - call.sample.greedy;
        break;
      default:  // not of the prior
        break;
    }
  };
  visit_kernel_trials(at::kCPU, kMultiprocessors, /*real=*/false, [&](const KernelTrial& trial) {
    const KernelVerdict v = judge_trial(trial, at::kCPU, [&](const std::vector<cuda::Call>& calls) -> const char* {
      std::vector<cuda::Call> wrong = calls;
      for (cuda::Call& call : wrong) change(call);
      return run_all(wrong);
    });
    EXPECT_NE(v.problem, "") << v.kernel << " " << v.format << " " << v.shape;
  });
}

}  // namespace
}  // namespace glm
