// What a stranger sees first.
#include <gtest/gtest.h>

#include <regex>
#include <set>

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

// "--steps" and the like, each once.
std::set<std::string> options_in(const std::string& text) {
  static const std::regex option("--[a-z][a-z-]+[a-z]");
  return {std::sregex_token_iterator(text.begin(), text.end(), option), std::sregex_token_iterator()};
}

// One table makes all of them.
TEST(Help, ManPageAndCompletionsNameTheSameOptions) {
  const Outcome help = run_program({"generate", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  std::set<std::string> options = options_in(help.out);
  for (const char* option :
       {"--size",   "--width",   "--height",      "--prompt-file", "--batch-count", "--seeds",   "--temperature",
        "--top-k",  "--top-p",   "--rng",         "--device",      "--text",        "--output",  "--overwrite",
        "--format", "--quality", "--no-metadata", "--from",        "--json",        "--dry-run", "--show",
        "--quiet",  "--verbose", "--config",      "--model",       "--image",       "--dump",    "--inject"}) {
    EXPECT_TRUE(options.contains(option)) << option << "\n" << help.out;
  }
  EXPECT_FALSE(options.contains("--negative-prompt"));
  EXPECT_NE(help.out.find("-s,--seed N"), std::string::npos) << help.out;
  EXPECT_NE(help.out.find("GLM_IMAGE_CFG_SCALE"), std::string::npos) << help.out;
  options.erase("--help");
  const std::string man = std::regex_replace(run_program({"man"}).out, std::regex("\\\\-"), "-");
  const std::string fish = std::regex_replace(run_program({"completion", "fish"}).out, std::regex(" -l "), " --");
  const std::set<std::string> in_man = options_in(man);
  const std::set<std::string> in_fish = options_in(fish);
  const std::set<std::string> in_bash = options_in(run_program({"completion", "bash"}).out);
  const std::set<std::string> in_zsh = options_in(run_program({"completion", "zsh"}).out);
  for (const std::string& option : options) {
    for (const auto* names : {&in_man, &in_fish, &in_bash, &in_zsh}) EXPECT_TRUE(names->contains(option)) << option;
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
