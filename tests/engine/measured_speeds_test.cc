// What runs measure is kept for later processes' predictions.
#include "engine/run/measured_speeds.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class MeasuredSpeedsTest : public testing::Test {
 protected:
  MeasuredSpeeds of(const std::string& machine, const std::string& model) const {
    return MeasuredSpeeds(folder.path() / "cache", machine, model);
  }
  fs::path file() const { return fs::directory_iterator(folder.path() / "cache")->path(); }

  TemporaryFolder folder;
};

TEST_F(MeasuredSpeedsTest, AreOfAMachineAndAModel) {
  EXPECT_EQ(of("a", "nano").read().step, 0);
  of("a", "nano").learn({.references = 0, .read = 5, .step = 100, .pixels = 7});
  of("a", "public").learn({.references = 3, .read = 0, .step = 1, .pixels = 0});
  of("b", "nano").learn({.references = 0, .read = 0, .step = 50, .pixels = 0});
  EXPECT_EQ(of("a", "nano").read().step, 100);
  EXPECT_EQ(of("a", "nano").read().read, 5);
  EXPECT_EQ(of("a", "nano").read().references, 0);
  EXPECT_EQ(of("a", "public").read().references, 3);
  EXPECT_EQ(of("b", "nano").read().step, 50);
  EXPECT_EQ(of("b", "public").read().step, 0);
}

TEST_F(MeasuredSpeedsTest, AreCorrectedByEachRun) {
  of("a", "nano").learn({.references = 0, .read = 5, .step = 100, .pixels = 7});
  of("a", "nano").learn({.references = 0, .read = 0, .step = 200, .pixels = 0});
  EXPECT_EQ(of("a", "nano").read().step, 150);
  EXPECT_EQ(of("a", "nano").read().read, 5) << "it wasn't measured again";
  for (int i = 0; i < 10; ++i) of("a", "nano").learn({.references = 0, .read = 0, .step = 1000, .pixels = 0});
  EXPECT_NEAR(of("a", "nano").read().step, 1000, 60);
  const auto before = fs::last_write_time(file());
  of("a", "nano").learn(of("a", "nano").read());
  EXPECT_EQ(fs::last_write_time(file()), before) << "nothing new was learnt";
}

TEST_F(MeasuredSpeedsTest, NonsenseIsNotLearnt) {
  for (const double bad :
       {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    of("a", "nano").learn({.references = bad, .read = bad, .step = bad, .pixels = bad});
  }
  EXPECT_FALSE(fs::exists(folder.path() / "cache"));
}

TEST_F(MeasuredSpeedsTest, ADamagedFileHoldsNothingAndIsReplaced) {
  for (const char* text : {"", "{", "[]", "null", R"({"version": 1})", R"({"version":1,"machine":"a","models":[]})",
                           R"({"version":1,"machine":"a","models":{"nano":{"step":"fast","read":-5,"pixels":1e400}}})",
                           R"({"version":2,"machine":"a","models":{"nano":{"step":9}}})"}) {
    of("a", "nano").learn({.references = 0, .read = 0, .step = 100, .pixels = 0});
    std::ofstream(file()) << text;
    EXPECT_EQ(of("a", "nano").read().step, 0) << text;
    EXPECT_EQ(of("a", "nano").read().read, 0) << text;
    of("a", "nano").learn({.references = 0, .read = 0, .step = 80, .pixels = 0});
    EXPECT_EQ(of("a", "nano").read().step, 80) << text;
  }
}

TEST_F(MeasuredSpeedsTest, AFolderThatCannotBeUsedIsNoError) {
  std::ofstream(folder.path() / "cache") << "a file";
  of("a", "nano").learn({.references = 0, .read = 0, .step = 100, .pixels = 0});
  EXPECT_EQ(of("a", "nano").read().step, 0);
  MeasuredSpeeds("", "a", "nano").learn({.references = 0, .read = 0, .step = 100, .pixels = 0});
  EXPECT_EQ(MeasuredSpeeds("", "a", "nano").read().step, 0);
}

TEST_F(MeasuredSpeedsTest, ManyModelsAreNotKeptForever) {
  for (int i = 0; i < 230; ++i) {
    of("a", "model " + std::to_string(i)).learn({.references = 0, .read = 0, .step = 1.0 + i, .pixels = 0});
    EXPECT_EQ(of("a", "model " + std::to_string(i)).read().step, 1.0 + i);
  }
  EXPECT_LT(fs::file_size(file()), 100'000U);
}

TEST(SpeedsOf, AreWorkByTime) {
  const Work work{.references = 10, .prompt = 1, .step = 20, .pixels = 30, .read = 40, .tokens = 5};
  const std::vector<Result::StageTime> times = {{Stage::references, 2, 3},
                                                {Stage::tokens, 10, 5},
                                                {Stage::glyphs, 1, 1},
                                                {Stage::steps, 4, 8},
                                                {Stage::pixels, 3, 1}};
  const Speeds speeds = speeds_of(work, times);
  EXPECT_EQ(speeds.references, 5);
  EXPECT_EQ(speeds.read, 20);
  EXPECT_EQ(speeds.step, 40);
  EXPECT_EQ(speeds.pixels, 10);
  EXPECT_EQ(speeds_of(work, std::vector<Result::StageTime>{{Stage::tokens, 1e-9, 0}}).read, 0) << "injected";
}

}  // namespace
}  // namespace glm
