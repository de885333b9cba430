// How kernels are judged, and on a GPU that ours are good there.
#include "engine/device/trust/kernel_check.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "engine/device/device.h"
#include "engine/device/trust/trial_tensors.h"
#include "engine/run/prior_kernels.h"
#include "kernels/cuda/loader.h"
#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

// A trial whose answer is 1, 2, 3, 4, and "kernels" that write into it.
struct FakeTrial {
  FakeTrial() {
    trial.kernel = "linear";
    trial.format = "bf16";
    trial.shape = "4";
    trial.allowed = 1e-3;
    trial.repeatable = true;
    trial.written = {writes(out)};
    trial.judge = [this]() -> KernelTrial::Answer {
      return {difference(out, at::tensor({1, 2, 3, 4}, at::kFloat)), {}};
    };
  }
  KernelVerdict judged(const std::function<void(int run)>& kernel) {
    int runs = 0;
    return judge_trial(trial, at::kCPU, [&](const std::vector<cuda::Call>& calls) -> const char* {
      for (size_t i = 0; i < calls.size(); ++i) kernel(runs);
      ++runs;
      return nullptr;
    });
  }
  void write(float third) const { out.copy_(at::tensor({1.0f, 2.0f, third, 4.0f})); }

  at::Tensor out = at::full({4}, NAN, at::kFloat);
  KernelTrial trial;
};

// A weight of 200 columns is packed as int8 where int4 is asked for, so that a bad int8 kernel counts for it.
TEST(PriorKernels, AskForTheFormatThatAWeightFallsBackTo) {
  PriorConfig c;
  c.dim = 2048;
  c.heads = 16;
  c.head_dim = 128;
  c.inner_dim = 200;
  KernelReport report;
  for (const char* format : {"bf16", "fp8", "int8", "int4"}) {
    KernelVerdict verdict;
    verdict.kernel = "linear";
    verdict.format = format;
    if (verdict.format == "int8") verdict.problem = "wrong";
    report.verdicts.push_back(verdict);
  }
  EXPECT_EQ(formats_used(c, cuda::Format::int4), (std::vector{cuda::Format::int4, cuda::Format::int8}));
  EXPECT_NE(first_problem(report, formats_used(c, cuda::Format::int4)), "");
  c.inner_dim = 256;
  EXPECT_EQ(first_problem(report, formats_used(c, cuda::Format::int4)), "");
  EXPECT_EQ(first_problem(report, formats_used(c, cuda::Format::bf16)), "");
}

TEST(JudgeTrial, SeesWhatDiffersAndWhatChanges) {
  FakeTrial fake;
  const KernelVerdict good = fake.judged([&](int) { fake.write(3); });
  EXPECT_EQ(good.problem, "");
  EXPECT_EQ(good.error, 0);
  EXPECT_EQ(good.ms, 0);
  EXPECT_NE(fake.judged([&](int) { fake.write(3.01f); }).problem.find("from ATen's"), std::string::npos);
  EXPECT_NE(fake.judged([&](int) {}).problem.find("from ATen's"), std::string::npos) << "nothing was written";
  EXPECT_NE(fake.judged([&](int) { fake.write(NAN); }).problem.find("from ATen's"), std::string::npos);
  EXPECT_NE(fake.judged([&](int run) { fake.write(run == 0 ? 3.0f : 3.0001f); }).problem.find("other bits"),
            std::string::npos);
  EXPECT_EQ(judge_trial(fake.trial, at::kCPU, [](const auto&) { return "no kernel image"; }).problem,
            "no kernel image");
}

TEST(JudgeTrial, MeasuresBoth) {
  FakeTrial fake;
  fake.trial.timed = {fake.trial.call};
  int of_aten = 0;
  fake.trial.aten = [&](int) { ++of_aten; };
  const KernelVerdict v = fake.judged([&](int) { fake.write(3); });
  EXPECT_GT(v.ms, 0);
  EXPECT_GE(v.reference_ms, 0);
  EXPECT_GT(of_aten, 0);
}

// A launch that fails is done at once: it must not look fast.
TEST(JudgeTrial, ALaunchThatFailsWhileItIsTimedIsAProblem) {
  FakeTrial fake;
  fake.trial.timed = {fake.trial.call};
  fake.trial.aten = [](int) {};
  int launches = 0;
  const KernelVerdict v = judge_trial(fake.trial, at::kCPU, [&](const std::vector<cuda::Call>&) -> const char* {
    fake.write(3);
    return ++launches > 4 ? "too many resources" : nullptr;
  });
  EXPECT_GT(launches, 4);
  EXPECT_EQ(v.problem, "too many resources");
}

TEST(MergedVerdicts, AreOneForAShapeWithTheWorstOfAll) {
  const std::vector<KernelVerdict> all = merged({{"linear", "bf16", "a", 1e-6, 1e-4, 0, 0, ""},
                                                 {"linear", "bf16", "a", NAN, 1e-4, 2, 3, "differs"},
                                                 {"linear", "fp8", "a", 1e-6, 1e-4, 2, 3, ""}});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(std::isnan(all[0].error));
  EXPECT_EQ(all[0].ms, 2);
  EXPECT_EQ(all[0].problem, "differs");
  EXPECT_EQ(all[1].problem, "");
}

// What counts is the time of all shapes of a kernel, with some slack.
TEST(MergedVerdicts, AKernelThatIsSlowerAllInAllHasAProblem) {
  const auto problems = [](double a, double b) {
    int count = 0;
    for (const KernelVerdict& v : merged({{"linear", "bf16", "a", 0, 1, a, 1, ""},
                                          {"linear", "bf16", "b", 0, 1, b, 10, ""},
                                          {"linear", "bf16", "small", 0, 1, 0, 0, ""},
                                          {"linear", "fp8", "a", 0, 1, 0.1, 1, ""}})) {
      count += v.problem.empty() ? 0 : 1;
      EXPECT_TRUE(v.format == "bf16" || v.problem.empty());
    }
    return count;
  };
  EXPECT_EQ(problems(1.0, 10.0), 0);
  EXPECT_EQ(problems(1.5, 8.0), 0) << "what is lost at one shape is won at another";
  EXPECT_EQ(problems(1.0, 11.0), 0) << "noise";
  EXPECT_EQ(problems(1.0, 12.0), 1);
}

// The user's cache stays out of it.
class OwnCache {
 public:
  OwnCache() {
    if (const char* before = std::getenv("XDG_CACHE_HOME"); before != nullptr) before_ = before;
    ::setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  }
  ~OwnCache() { before_ ? ::setenv("XDG_CACHE_HOME", before_->c_str(), 1) : ::unsetenv("XDG_CACHE_HOME"); }
  OwnCache(const OwnCache&) = delete;
  OwnCache& operator=(const OwnCache&) = delete;

 private:
  std::optional<std::string> before_;
  const TemporaryFolder folder_;
};

// Only on a GPU.
TEST(CheckedKernels, AreAllGoodOnThisGpuInUnderThreeSeconds) {
  const at::Device device = test_device();
  if (device.is_cpu()) GTEST_SKIP() << "GLM_TEST_DEVICE is the CPU";
  ASSERT_NE(cuda::load_library().library, nullptr) << cuda::load_library().why_not;
  const OwnCache cache;
  const auto seconds_of = [](const auto& act) {
    const auto begin = std::chrono::steady_clock::now();
    act();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  KernelReport report;
  const double checking = seconds_of([&] { report = known_kernels(device, false); });
  for (const KernelVerdict& v : report.verdicts) {
    std::printf("%-10s %-5s %-40s %.1e of %.1e, %.4f ms, ATen %.4f ms  %s\n", v.kernel.c_str(), v.format.c_str(),
                v.shape.c_str(), v.error, v.allowed, v.ms, v.reference_ms, v.problem.c_str());
    EXPECT_EQ(v.problem, "") << v.kernel << " " << v.format << " " << v.shape;
  }
  std::printf("%s: checked in %.2f s\n", report.card.c_str(), checking);
  EXPECT_LT(checking, 3);
  for (const char* format : {"bf16", "fp8", "int8", "int4"}) {
    EXPECT_TRUE(report.usable(format)) << report.first_problem(format);
  }
  const uint64_t before = cuda::load_library().library->launches(cuda::Kernel::linear);
  KernelReport known;
  const double reading = seconds_of([&] { known = known_kernels(device, false); });
  std::printf("read again in %.4f s\n", reading);
  EXPECT_LT(reading, 0.1);
  EXPECT_EQ(known.verdicts.size(), report.verdicts.size());
  EXPECT_EQ(cuda::load_library().library->launches(cuda::Kernel::linear), before) << "nothing was checked";
}

}  // namespace
}  // namespace glm
