// What a stranger sees first.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace glm {
namespace {

TEST(Help, OfTheProgramNamesItsCommandsAndShowsAnExample) {
  const Outcome outcome = run_program({"--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* text : {"Usage: glm-image ", "generate ", "Draw a picture", "devices ", "kernels ",
                           "glm-image generate \"a red apple"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
  EXPECT_EQ(outcome.out.find(GLM_BINARY_DIR), std::string::npos) << outcome.out;
}

TEST(Help, OfGenerateNamesEveryOption) {
  const Outcome outcome = run_program({"generate", "--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* option : {"Usage: glm-image generate ", "PROMPT", "-m,--model FOLDER", "--size WIDTHxHEIGHT",
                             "--steps N", "--cfg-scale X", "-s,--seed N", "--greedy", "--device DEVICE", "--dtype TYPE",
                             "--threads N", "-o,--output FILE", "--dump FILE", "--dump-level LEVEL", "--inject FILE",
                             "--parse-special", "--allow-early-stop", "-q,--quiet"}) {
    EXPECT_NE(outcome.out.find(option), std::string::npos) << option << "\n" << outcome.out;
  }
}

TEST(Help, OfKernelsNamesEveryOption) {
  const Outcome outcome = run_program({"kernels", "--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* text : {"Usage: glm-image kernels ", "--device DEVICE", "--check"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
}

TEST(Help, VersionIsOneLine) {
  const Outcome outcome = run_program({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.rfind("glm-image ", 0), 0U);
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1);
}

TEST(Help, NoArgumentsSayWhatToType) {
  const Outcome outcome = run_program({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("glm-image generate \"a red apple\""), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace glm
