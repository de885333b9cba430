// The check that a new GPU's kernels go through, of the kernels' bodies on the host: bodies and ATen references agree.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/linear.cuh"
#include "kernels/cuda/norm.cuh"
#include "kernels/cuda/sampling.cuh"
// clang-format on

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/kernel_check.h"

namespace glm {
namespace {

constexpr int kMultiprocessors = 3;

template <typename F>
void run_linear(const cuda::LinearParams& p) {
  const int units = p.weight.rows / cuda::kTileRows * p.splits;
  simt::launch({{std::min(units, kMultiprocessors), 1, 1},
                cuda::kLinearThreads,
                cuda::linear_shared_bytes<F>(p, std::min(units, kMultiprocessors)),
                0},
               [&] { p.batch <= 8 ? cuda::linear<F, 1>(p) : cuda::linear<F, 2>(p); });
}

void run(const cuda::LinearParams& p) {
  switch (p.weight.format) {
    case cuda::Format::bf16:
      return run_linear<cuda::Bf16Format>(p);
    case cuda::Format::fp8:
      return run_linear<cuda::Fp8Format>(p);
    case cuda::Format::int8:
      return run_linear<cuda::Int8Format>(p);
    case cuda::Format::int4:
      return run_linear<cuda::Int4Format>(p);
  }
}

void run(const cuda::Call& call) {
  switch (call.kernel) {
    case cuda::Kernel::linear:
      return run(call.linear);
    case cuda::Kernel::attention: {
      const cuda::AttentionParams& p = call.attention;
      return simt::launch({{p.chunks, p.kv_heads, p.batch}, cuda::kAttentionThreads, cuda::kAttentionSharedBytes, 0},
                          [&] { cuda::attention(p); });
    }
    case cuda::Kernel::norm: {
      const cuda::NormParams& p = call.norm;
      return simt::launch({{p.batch, 1, 1}, cuda::kNormThreads, cuda::kNormSharedBytes, 0},
                          [&] { p.dim <= 4096 ? cuda::norm<4>(p) : cuda::norm<8>(p); });
    }
    case cuda::Kernel::sample: {
      const cuda::SampleParams& p = call.sample;
      return simt::launch({{p.batch, 1, 1}, cuda::kSampleThreads, cuda::kSampleSharedBytes, 0},
                          [&] { cuda::sample(p); });
    }
  }
}

const char* run_all(const std::vector<cuda::Call>& calls, bool /*overlap*/) {
  for (const cuda::Call& call : calls) run(call);
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
  EXPECT_GE(linear, 4 * 2);
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
    }
  };
  visit_kernel_trials(at::kCPU, kMultiprocessors, /*real=*/false, [&](const KernelTrial& trial) {
    const KernelVerdict v =
        judge_trial(trial, at::kCPU, [&](const std::vector<cuda::Call>& calls, bool overlap) -> const char* {
          std::vector<cuda::Call> wrong = calls;
          for (cuda::Call& call : wrong) change(call);
          return run_all(wrong, overlap);
        });
    EXPECT_NE(v.problem, "") << v.kernel << " " << v.format << " " << v.shape;
  });
}

}  // namespace
}  // namespace glm
