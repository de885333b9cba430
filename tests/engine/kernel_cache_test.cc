// What is known about kernels between runs: files that are damaged, checks that die, processes side by side.
#include "engine/device/trust/kernel_cache.h"

#include <pwd.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

const std::string kCard = "NVIDIA Card 3000, capability 9.0";
const std::string kBuild = "0123456789abcdef";

KernelVerdict verdict(const std::string& format, const std::string& problem = "") {
  return {"linear", format, "48 x 384", 1e-6, 1e-4, 0.25, 0.5, problem};
}

KernelReport good_report(const std::string& card = kCard, const std::string& build = kBuild) {
  return {card, build, {verdict("bf16"), verdict("fp8", "it is slower"), {"sample", "", "16 ids", 0, 0.1, 0, 0, ""}}};
}

bool same(const KernelReport& a, const KernelReport& b) {
  if (a.card != b.card || a.build != b.build || a.verdicts.size() != b.verdicts.size()) return false;
  for (size_t i = 0; i < a.verdicts.size(); ++i) {
    const KernelVerdict& x = a.verdicts[i];
    const KernelVerdict& y = b.verdicts[i];
    if (x.kernel != y.kernel || x.format != y.format || x.shape != y.shape || x.error != y.error ||
        x.allowed != y.allowed || x.ms != y.ms || x.reference_ms != y.reference_ms || x.problem != y.problem) {
      return false;
    }
  }
  return true;
}

class KernelCacheTest : public testing::Test {
 protected:
  // As a start of the program asks; counts the checks.
  KernelReport ask(bool check_again = false, const KernelReport& found = good_report()) {
    return cache_.report(found.card, found.build, check_again, [&](const KernelCache::Begin& begin) {
      begin("linear bf16 48 x 384");
      ++checks_;
      return found;
    });
  }

  // A process that ends in its check.
  void die_in_check() const {
    const auto die = [](const KernelCache::Begin& begin) -> KernelReport {
      begin("attention of everything");
      std::raise(SIGKILL);
      return {};
    };
    EXPECT_EXIT((void)cache_.report(kCard, kBuild, false, die), testing::KilledBySignal(SIGKILL), "");
  }

  const TemporaryFolder folder_;
  const fs::path place_ = folder_ / "new/glm-image";
  const KernelCache cache_{place_, std::chrono::milliseconds(300)};
  int checks_ = 0;
};

TEST_F(KernelCacheTest, ChecksOnceForACardAndABuild) {
  EXPECT_TRUE(same(ask(), good_report()));
  EXPECT_TRUE(same(ask(), good_report()));
  EXPECT_EQ(checks_, 1);
  ask(false, good_report("another card"));
  ask(false, good_report(kCard, "another build"));
  EXPECT_EQ(checks_, 3);
  ask();
  ask(false, good_report("another card"));
  EXPECT_EQ(checks_, 3);
  KernelReport worse = good_report();
  worse.verdicts[0].problem = "differs";
  EXPECT_TRUE(same(ask(true, worse), worse)) << "check_again";
  EXPECT_TRUE(same(ask(), worse)) << "and what it has shown is kept";
  EXPECT_EQ(checks_, 4);
}

// Another job may have had the GPU while it was measured.
TEST_F(KernelCacheTest, ThatAKernelIsSlowerIsMeasuredAgainAfterADay) {
  KernelReport slow = good_report();
  slow.verdicts[1].slower = true;
  ask(false, slow);
  ask();
  EXPECT_EQ(checks_, 1) << "on the same day it is believed";
  const auto age = [&](std::chrono::hours hours) {
    const fs::path file = cache_.report_file(kCard, kBuild);
    fs::last_write_time(file, fs::file_time_type::clock::now() - hours);
  };
  age(std::chrono::hours(25));
  EXPECT_TRUE(same(ask(), good_report())) << "what it has shown now";
  EXPECT_EQ(checks_, 2);
  age(std::chrono::hours(10'000));
  ask();
  EXPECT_EQ(checks_, 2) << "anything else holds for good";
}

// A file from tomorrow, of a clock that was set, isn't believed for ever.
TEST_F(KernelCacheTest, AReportFromTheFutureIsNoYoungerThanNow) {
  KernelReport slow = good_report();
  slow.verdicts[1].slower = true;
  ask(false, slow);
  const fs::path file = cache_.report_file(kCard, kBuild);
  fs::last_write_time(file, fs::file_time_type::clock::now() + std::chrono::hours(100'000));
  ask();
  EXPECT_EQ(checks_, 2);
}

TEST_F(KernelCacheTest, KeepsErrorsThatAreNoNumbers) {
  KernelReport report = good_report();
  report.verdicts[0].error = NAN;
  report.verdicts[1].error = INFINITY;
  report.verdicts[1].problem = "bad \xff bytes";
  ask(false, report);
  const KernelReport known = ask();
  EXPECT_EQ(checks_, 1);
  EXPECT_TRUE(std::isinf(known.verdicts[0].error));
  EXPECT_TRUE(std::isinf(known.verdicts[1].error));
}

TEST_F(KernelCacheTest, ADamagedFileMeansCheckingAgain) {
  ask();
  const fs::path file = cache_.report_file(kCard, kBuild);
  const std::string whole = read_bytes(file);
  std::vector<std::string> damaged = {"", "{", "[]", "null", "{}", std::string(2 << 20, ' '), std::string(100, '\0')};
  for (size_t length = 1; length < whole.size() - 2; length += 7) damaged.push_back(whole.substr(0, length));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    damaged.push_back(text.replace(at, from.size(), to));
  };
  replaced("\"version\": 2", "\"version\": 1");
  replaced("\"version\": 2", "\"version\": \"2\"");
  replaced(kCard, "another card");
  replaced(kBuild, "fedcba9876543210");
  replaced("\"ms\": 0.25", "\"ms\": \"fast\"");
  replaced("\"problem\"", "\"trouble\"");
  replaced("\"verdicts\"", "\"opinions\"");
  replaced("\"format\": \"bf16\"", "\"format\": 16");
  int expected = 1;
  for (const std::string& text : damaged) {
    write_bytes(file, text);
    ASSERT_TRUE(same(ask(), good_report()));
    ASSERT_EQ(checks_, ++expected) << text.substr(0, 200);
    ASSERT_EQ(read_bytes(file), whole) << "and it is whole again";
  }
}

TEST_F(KernelCacheTest, AFolderThatCannotBeUsedMeansCheckingEachTime) {
  write_bytes(folder_ / "file", "");
  for (const fs::path& place :
       {fs::path(), folder_ / "file", folder_ / "file/below", fs::path("/proc/no/such/place")}) {
    const KernelCache cache(place);
    int checks = 0;
    for (int i = 0; i < 2; ++i) {
      const auto check = [&](const KernelCache::Begin& begin) {
        begin("x");
        ++checks;
        return good_report();
      };
      EXPECT_TRUE(same(cache.report(kCard, kBuild, false, check), good_report()));
    }
    EXPECT_EQ(checks, 2) << place;
    EXPECT_TRUE(refused(ErrorCode::device, {"it faulted", "--kernels off"}, [&] {
      (void)cache.report(kCard, kBuild, false, [](const KernelCache::Begin&) -> KernelReport {
        throw Error(ErrorCode::device, "it faulted");
      });
    }));
  }
}

TEST_F(KernelCacheTest, ACheckThatDiedIsRememberedUntilOneEnds) {
  die_in_check();
  for (int i = 0; i < 2; ++i) {
    const KernelReport report = ask();
    EXPECT_EQ(checks_, 0);
    for (const char* format : {"bf16", "int4"}) {
      EXPECT_FALSE(report.usable(format));
      EXPECT_NE(report.first_problem(format).find("attention of everything"), std::string::npos);
      EXPECT_NE(report.first_problem(format).find("glm-image kernels --check"), std::string::npos);
    }
  }
  EXPECT_TRUE(ask(false, good_report("another card")).usable("bf16")) << "another card has nothing to do with it";
  EXPECT_TRUE(ask(true).usable("bf16"));
  EXPECT_TRUE(ask().usable("bf16"));
  EXPECT_EQ(checks_, 2);
}

// A good report is no longer believed once a later check has died.
TEST_F(KernelCacheTest, ALaterCheckThatDiesOverrulesAGoodReport) {
  ask();
  const auto die = [](const KernelCache::Begin&) -> KernelReport { std::_Exit(3); };
  EXPECT_EXIT((void)cache_.report(kCard, kBuild, true, die), testing::ExitedWithCode(3), "");
  EXPECT_FALSE(ask().usable("bf16"));
}

TEST_F(KernelCacheTest, AFaultIsRememberedAndAnythingElseIsNot) {
  const auto failing = [&](ErrorCode code) {
    return [code](const KernelCache::Begin& begin) -> KernelReport {
      begin("norm");
      throw Error(code, "what happened");
    };
  };
  EXPECT_TRUE(refused(ErrorCode::memory, {"what happened"},
                      [&] { (void)cache_.report(kCard, kBuild, false, failing(ErrorCode::memory)); }));
  EXPECT_TRUE(ask().usable("bf16"));
  EXPECT_TRUE(refused(ErrorCode::device, {"what happened", "the next start will not use our kernels"},
                      [&] { (void)cache_.report(kCard, kBuild, true, failing(ErrorCode::device)); }));
  EXPECT_FALSE(ask().usable("bf16"));
  EXPECT_EQ(checks_, 1);
}

TEST_F(KernelCacheTest, TwoAtATimeShareOneCheck) {
  std::atomic<int> checks = 0;
  const KernelCache patient(place_);
  const auto check = [&](const KernelCache::Begin& begin) {
    begin("linear");
    ++checks;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return good_report();
  };
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { good += same(patient.report(kCard, kBuild, false, check), good_report()) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(checks, 1);
}

TEST_F(KernelCacheTest, WaitingForAnothersCheckIsCancelled) {
  const KernelCache patient(place_);
  std::atomic<bool> begun = false;
  std::thread slow([&] {
    (void)patient.report(kCard, kBuild, false, [&](const KernelCache::Begin& begin) {
      begin("linear");
      begun = true;
      std::this_thread::sleep_for(std::chrono::seconds(2));
      return good_report();
    });
  });
  while (!begun) std::this_thread::yield();
  CancelToken cancel;
  cancel.cancel();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(refused(ErrorCode::cancelled, {"cancelled"}, [&] {
    (void)patient.report(
        kCard, kBuild, false, [](const auto&) { return good_report(); }, &cancel);
  }));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  slow.join();
}

TEST_F(KernelCacheTest, ACheckThatDoesNotEndIsNotWaitedForForever) {
  std::atomic<bool> begun = false;
  std::atomic<bool> may_end = false;
  std::thread slow([&] {
    (void)cache_.report(kCard, kBuild, false, [&](const KernelCache::Begin&) {
      begun = true;
      while (!may_end) std::this_thread::yield();
      return good_report();
    });
  });
  while (!begun) std::this_thread::yield();
  const KernelReport meanwhile = ask();
  EXPECT_FALSE(meanwhile.usable("bf16"));
  EXPECT_NE(meanwhile.first_problem("bf16").find("another process"), std::string::npos);
  may_end = true;
  slow.join();
  EXPECT_TRUE(ask().usable("bf16")) << "and that is not kept";
  EXPECT_EQ(checks_, 0);
}

TEST(CacheFolder, IsTheUsersByTheEnvironment) {
  const auto folder_with = [](const char* cache, const char* home) {
    cache != nullptr ? ::setenv("XDG_CACHE_HOME", cache, 1) : ::unsetenv("XDG_CACHE_HOME");
    home != nullptr ? ::setenv("HOME", home, 1) : ::unsetenv("HOME");
    return cache_folder();
  };
  EXPECT_EQ(folder_with("/a/cache", "/home/b"), fs::path("/a/cache/glm-image"));
  EXPECT_EQ(folder_with(nullptr, "/home/b"), fs::path("/home/b/.cache/glm-image"));
  EXPECT_EQ(folder_with("", "/home/b"), fs::path("/home/b/.cache/glm-image"));
  EXPECT_EQ(folder_with("relative", "/home/b"), fs::path("/home/b/.cache/glm-image"));
  const passwd* const user = ::getpwuid(::getuid());  // the system's list of users, where it has this one
  EXPECT_EQ(folder_with(nullptr, nullptr), user == nullptr ? fs::path() : fs::path(user->pw_dir) / ".cache/glm-image");
}

TEST(KernelReports, AFormatNeedsItsOwnKernelsAndTheCommonOnes) {
  KernelReport report = good_report();
  EXPECT_TRUE(report.usable("bf16"));
  EXPECT_EQ(report.first_problem("fp8"), "linear fp8 48 x 384: it is slower");
  EXPECT_NE(report.first_problem("int8").find("not been checked with int8"), std::string::npos);
  report.verdicts.back().problem = "it differs";
  EXPECT_EQ(report.first_problem("bf16"), "sample 16 ids: it differs");
  EXPECT_FALSE(KernelReport{}.usable("bf16"));
}

}  // namespace
}  // namespace glm
