// `glm-image bench`, and what it teaches --dry-run.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

using nlohmann::json;

json measured(const Arguments& more) {
  Arguments all = {"bench", "--json", "-q"};
  all.insert(all.end(), more.begin(), more.end());
  const Outcome outcome = run_program(all);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return json::parse(outcome.out);
}

TEST(Bench, MeasuresEachStageOfTheSmallModelWithinHalfAMinute) {
  const auto begin = std::chrono::steady_clock::now();
  const json report = measured({"--threads", "1"});
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 30);
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["threads"], 1);
  EXPECT_EQ(report["width"], 256);
  EXPECT_GT(report["peak_bytes"].get<double>(), 1e7);
  std::map<std::string, json> stages;
  for (const json& stage : report["stages"]) stages[stage["name"]] = stage;
  for (const char* name : {"load", "prompt", "tokens", "glyphs", "step", "pixels", "references"}) {
    ASSERT_TRUE(stages.contains(name)) << report;
    EXPECT_GT(stages[name]["samples"], 0) << name;
    EXPECT_GT(stages[name]["seconds"], 0) << name;
    EXPECT_NEAR(stages[name]["seconds"].get<double>() * stages[name]["per_second"].get<double>(), 1, 1e-9) << name;
  }
  EXPECT_GT(report["limits"]["flops"], 1e8);
  EXPECT_GT(report["limits"]["bytes_per_second"], 1e8);
  for (const char* name : {"step", "pixels", "references"}) {
    const double share = stages[name]["flops"].get<double>() / report["limits"]["flops"].get<double>();
    EXPECT_NEAR(stages[name]["share_of_limit"].get<double>(), share, 1e-9);
  }
  const double sum = stages["prompt"]["seconds"].get<double>() + 321 * stages["tokens"]["seconds"].get<double>() +
                     stages["glyphs"]["seconds"].get<double>() + 20 * stages["step"]["seconds"].get<double>() +
                     stages["pixels"]["seconds"].get<double>();
  EXPECT_NEAR(report["seconds"].get<double>(), sum, 0.01 * sum) << "of a picture with 321 tokens and 20 steps";
}

// The speeds that another process measured. The machine may be busy in either of them, so this allows more than the
// thirty per cent that an idle one keeps.
TEST(Bench, TeachesWhatAPictureTakes) {
  const Arguments picture = {"--size", "128x128", "--steps", "4", "--threads", "1"};
  Arguments dry = {"generate", "a red apple", "--dry-run", "--json"};
  dry.insert(dry.end(), picture.begin(), picture.end());
  const json report = measured(picture);
  const Outcome outcome = run_program(dry);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const double ratio = json::parse(outcome.out)["seconds"].get<double>() / report["seconds"].get<double>();
  EXPECT_GT(ratio, 0.4);
  EXPECT_LT(ratio, 2.5);
}

TEST(Bench, PrintsATable) {
  const Outcome outcome = run_program({"bench", "--size", "128x128", "--threads", "1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* text : {"a picture of 128x128", "STAGE", "\ntokens  ", "\nstep  ", "\npixels  ", " TFLOP/s", " GB/s",
                           "limits measured here: ", "a picture takes about "}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
  EXPECT_NE(outcome.err.find("measuring the tokens"), std::string::npos) << outcome.err;
}

TEST(Bench, RefusesWhatGenerateRefuses) {
  EXPECT_EQ(run_program({"bench", "-m", "/nonexistent"}).status, 3);
  EXPECT_EQ(run_program({"bench", "--size", "7"}).status, 2);
  EXPECT_EQ(run_program({"bench", "--look-ahead", "17"}).status, 2);
  EXPECT_EQ(run_program({"bench", "a cat"}).status, 2);
}

}  // namespace
}  // namespace glm
