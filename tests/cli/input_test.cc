// Pictures and prompts that come in through pipes and standard input.
#include <gtest/gtest.h>
#include <unistd.h>

#include "glm/encode.h"
#include "tests/cli/program.h"
#include "tests/support/reference_picture.h"

namespace glm {
namespace {

class Inputs : public testing::Test {
 protected:
  Inputs() {
    write_png(folder_ / "one.png", draw_reference({300, 150, 1}));
    write_png(folder_ / "two.png", draw_reference({100, 200, 2}));
  }
  // Runs a line of bash in which $G is the program and $S the options of a small picture.
  Outcome shell(const std::string& line) {
    const std::string begin = std::string("G=") + GLM_BINARY_DIR + "/glm-image; S='-m " + small_checkpoint().string() +
                              " --size 128x128 --steps 1 -s 7 --threads 1 -y'; ";
    return run_program({"-c", begin + line}, {.folder = folder_.path(), .program = "/bin/bash"});
  }
  std::string bytes(const std::string& name) { return read_file(folder_ / name); }

  TemporaryFolder folder_;
};

TEST_F(Inputs, PicturesMayComeThroughPipes) {
  const Outcome named = shell("$G generate 'a cat' $S -i one.png -i two.png -o named.png");
  ASSERT_EQ(named.status, 0) << named.err;
  for (const char* inputs :
       {"-i - -i two.png <one.png", "-i one.png -i - < <(cat two.png)", "-i <(cat one.png) -i <(cat two.png)",
        "-i /dev/stdin -i two.png <one.png", "--image=- -i <(sleep 0.2; cat two.png) <one.png"}) {
    const Outcome piped = shell(std::string("$G generate 'a cat' $S -o piped.png ") + inputs);
    ASSERT_EQ(piped.status, 0) << inputs << piped.err;
    EXPECT_TRUE(bytes("piped.png") == bytes("named.png")) << inputs;
  }
}

TEST_F(Inputs, MetadataMayComeThroughPipes) {
  ASSERT_EQ(shell("$G generate 'a cat' $S -o a.png").status, 0);
  const std::string about = shell("$G info a.png").out;
  EXPECT_NE(about, "");
  EXPECT_EQ(shell("$G info - <a.png").out, about);
  EXPECT_EQ(shell("cat a.png | $G info -").out, about);
  EXPECT_EQ(shell("$G info <(cat a.png)").out, about);
  EXPECT_EQ(shell("mkfifo p; cat a.png >p & $G info p").out, about);
  for (const char* from : {"--from - <a.png", "--from <(cat a.png)"}) {
    ASSERT_EQ(shell(std::string("$G generate $S -o b.png ") + from).status, 0);
    EXPECT_TRUE(bytes("b.png") == bytes("a.png")) << from;
  }
  EXPECT_EQ(shell("$G generate 'a cat' $S --config <(echo 'steps = 2') --dry-run").status, 0);
}

TEST_F(Inputs, AreReadOnceOnly) {
  for (const char* twice :
       {"- -i -", "--prompt-file - -i -", "a -i - -i -", "a -i - -i /dev/stdin", "- --from -", "a --from - -i -",
        "a --config - -i /dev/fd/0", "a --from - --config -", "--from /dev/stdin --config -", "--config - -"}) {
    const Outcome outcome = shell(std::string("$G generate $S --dry-run ") + twice + " < <(cat one.png)");
    EXPECT_EQ(outcome.status, 2) << twice;
    EXPECT_NE(outcome.err.find("standard input: expected one prompt, picture or file from it, found 2"),
              std::string::npos)
        << outcome.err;
  }
  // One that a stronger source overrules isn't read.
  EXPECT_EQ(shell("GLM_IMAGE_PROMPT_FILE=- $G generate a $S --dry-run -i - <one.png").status, 0);
  const Outcome variable = shell("GLM_IMAGE_FROM=- $G generate a $S --dry-run -i - <one.png");
  EXPECT_NE(variable.err.find("found 2"), std::string::npos) << variable.err;
  const Outcome file = shell("echo 'from = \"-\"' >c.toml; $G generate a $S --dry-run --config c.toml -i - <one.png");
  EXPECT_NE(file.err.find("found 2"), std::string::npos) << file.err;
}

// Whatever never ends, or isn't there, is told at once.
TEST_F(Inputs, HaveALimit) {
  const auto said = [&](const std::string& line, int status, const std::string& text) {
    const Outcome outcome = shell("timeout 60 " + line);
    EXPECT_EQ(outcome.status, status) << line << outcome.err;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << line << outcome.err;
    EXPECT_EQ(outcome.out, "");
  };
  const std::string prompt = "expected a prompt of at most 1 MiB, found more";
  said("$G generate - < <(yes)", 2, "standard input: " + prompt);
  said("$G generate --prompt-file <(yes)", 2, prompt);
  said("$G generate --prompt-file /dev/zero", 2, prompt);
  said("$G generate a --config <(yes '# a comment')", 2, "expected at most 1 MiB of configuration, found more");
  said("$G info - < <(yes)", 2, "standard input: expected a picture file of at most 256 MiB");
  said("$G generate a -i /dev/zero", 1, "/dev/zero: expected a picture to read, found a terminal or another device");
  said("$G generate a -i - </dev/null", 2, "standard input: expected a PNG, JPEG, WebP, BMP or GIF");
  said("$G generate a -i - <&-", 2, "standard input: expected a PNG");
  said("$G generate - </dev/null", 2, "expected a prompt, found an empty one");
  said("$G generate a --inject <(cat one.png) --dry-run", 2,
       "expected a file that --dump wrote, found a folder, a pipe or a device");
}

// What can't be read is told as what it is.
TEST_F(Inputs, ThatCanNotBeReadAreToldWithTheReason) {
  const auto said = [&](const std::string& name, const std::string& found) {
    for (const std::string command : {"info ", "generate a -i ", "generate a --from ", "generate a --config ",
                                      "generate --prompt-file ", "GLM_IMAGE_PROMPT_FILE="}) {
      const bool variable = command.ends_with('=');
      const Outcome outcome = shell(variable ? command + name + " $G generate" : "$G " + command + name);
      EXPECT_NE(outcome.status, 0) << command << name;
      EXPECT_EQ(outcome.err.find("glm-image: " + name + ": expected a "), 0U) << outcome.err;
      EXPECT_NE(outcome.err.find(", found " + found), std::string::npos) << outcome.err;
    }
  };
  ASSERT_EQ(shell("ln -s loop loop; ln -s gone nowhere; touch closed; chmod 0 closed").status, 0);
  said(".", "a folder");
  said("gone", "none");
  said("nowhere", "a link that leads nowhere");
  said("loop", "one that can't be opened (Too many levels of symbolic links)");
  said("one.png/x", "one that can't be opened (Not a directory)");
  if (::geteuid() != 0) said("closed", "one that can't be opened (Permission denied)");  // root may read it
}

}  // namespace
}  // namespace glm
