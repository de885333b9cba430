// A table of mistakes on the command line: each ends with one clear message, the status for usage and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/cli/program.h"

namespace glm {
namespace {

struct Row {
  Arguments arguments;  // after `generate "a cat" -m … -o …`
  std::string said;     // on standard error
};

Arguments prefix(const TemporaryFolder& folder) {
  return {"generate", "a cat", "-m", small_checkpoint().string(), "-o", (folder / "a.png").string()};
}

void expect_usage(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const TemporaryFolder folder;
    Arguments all = prefix(folder);
    all.insert(all.end(), row.arguments.begin(), row.arguments.end());
    const Outcome outcome = run_program(all);
    SCOPED_TRACE(testing::PrintToString(row.arguments) + "\n" + outcome.err);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.rfind("glm-image: ", 0), 0U);
    EXPECT_NE(outcome.err.find(row.said), std::string::npos) << row.said;
    EXPECT_LE(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2) << "more than a message and a hint";
    EXPECT_LT(outcome.err.size(), 500U);
    EXPECT_TRUE(names_in(folder.path()).empty());
  }
}

TEST(BadArguments, Words) {
  expect_usage({
      {{"--frobnicate"}, "unknown option --frobnicate"},
      {{"-x"}, "unknown option -x"},
      {{"--step", "2"}, "unknown option --step"},
      {{"on", "a", "mat"}, "expected one prompt, also found \"on\"; put the whole prompt in quotes"},
      {{"--steps"}, "--steps: expected a value, found none"},
      {{"-o"}, "--output: expected a value, found none"},
      {{"--greedy=maybe"}, "--greedy: expected no value, found one"},
      {{"--no-greedy=1"}, "--no-greedy: expected no value, found one"},
      {{"--no-steps"}, "unknown option --no-steps"},
  });
}

TEST(BadArguments, NamesThatAreNearlyRightGetAHint) {
  for (const auto& [given, meant] : std::vector<std::pair<std::string, std::string>>{{"--cfg_scale", "--cfg-scale"},
                                                                                     {"--cfg_scale=2", "--cfg-scale"},
                                                                                     {"--STEPS", "--steps"},
                                                                                     {"--promt-file", "--prompt-file"},
                                                                                     {"--temp", "--temperature"},
                                                                                     {"--seesd", "--seed"}}) {
    expect_usage({{{given}, "; did you mean " + meant + "?\n"}});
  }
  expect_usage({{{"--frobnicate"}, "unknown option --frobnicate; a prompt that begins with - goes behind --\n"}});
}

// A value that was forgotten doesn't make a value of the next option.
TEST(BadArguments, AnOptionIsNoValue) {
  const std::string behind = " if that is meant\n";
  expect_usage({
      {{"--text"}, "--text: expected a value, found none; a prompt that begins with - goes behind --"},
      {{"--text", "--dry-run"},
       "--text: expected a value, found the option --dry-run; write --text=--dry-run" + behind},
      {{"--text", "--no-greedy"}, "found the option --no-greedy"},
      {{"--text", "--steps=3"}, "found the option --steps=3"},
      {{"--text", "--", "x"}, "found the option --"},
      {{"--text", "--help"}, "found the option --help"},
      {{"--dump", "-y"}, "--dump: expected a value, found the option -y"},
      {{"-i", "-o"}, "-i: expected a value, found the option -o; write --image=-o" + behind},
      {{"--steps", "--seed", "1"}, "--steps: expected a value, found the option --seed"},
  });
  const TemporaryFolder folder;
  Arguments drawn = prefix(folder);
  drawn.insert(drawn.end(), {"--dry-run", "--text=--dry-run", "--text", "-5", "--text", "--unknown"});
  const Outcome outcome = run_program(drawn);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find(R"(text to be drawn: "--dry-run", "-5", "--unknown")"), std::string::npos) << outcome.err;
}

TEST(BadArguments, WhatContradictsEachOther) {
  expect_usage({
      {{"--greedy", "--temperature", "2"}, "--temperature: expected alone, found with --greedy"},
      {{"--greedy", "--top-k", "5"}, "--top-k: expected alone, found with --greedy"},
      {{"--top-p", "0.5", "--greedy"}, "--top-p: expected alone, found with --greedy"},
      {{"--prompt-file", "x"}, "prompt: expected alone, found with --prompt-file"},
      {{"--text", ""}, "--text: expected a text to draw, found \"\""},
      {{"--text", "A", "--text", " "}, "--text: expected a text to draw, found \" \""},
      {{"--text", "\u3000\u200b"}, "--text: expected a text to draw"},
  });
}

TEST(BadArguments, Sizes) {
  const std::string form = "--size: expected WIDTHxHEIGHT such as 1024x768, an aspect such as 16:9, square, ";
  const std::string limits = "size: expected 128 to 2048 pixels a side, found ";
  expect_usage({
      {{"--size", "0x0"}, limits + "0x0"},
      {{"--size", "100x100"}, limits + "100x100"},
      {{"--size", "127x256"}, limits + "127x256"},
      {{"--size", "256x2049"}, limits + "256x2049"},
      {{"--size", "96x256"}, limits + "96x256"},
      {{"--size", "2080x256"}, limits + "2080x256"},
      {{"--size", "256x2080"}, limits + "256x2080"},
      {{"--size", "-256x256"}, limits + "-256x256"},
      {{"--size", "256"}, form + "landscape, portrait or auto, found \"256\""},
      {{"--size", "256x"}, form + "landscape, portrait or auto, found \"256x\""},
      {{"--size", "x256"}, form + "landscape, portrait or auto, found \"x256\""},
      {{"--size", "256x256x2"}, form + "landscape, portrait or auto, found \"256x256x2\""},
      {{"--size", "256*256"}, form},
      {{"--size", "256 x 256"}, form},
      {{"--size", "25.6x256"}, form},
      {{"--size", "99999999999999999999x256"}, form},
      {{"--size", ""}, form + "landscape, portrait or auto, found \"\""},
      {{"--size", std::string(5000, '9')}, form},
  });
}

TEST(BadArguments, Steps) {
  const std::string expected = "--steps: expected a whole number from 1 to 1000, found \"";
  for (const char* text : {"0", "-1", "1001", "abc", "1e3", "2.5", "", "99999999999999999999", "0x10"}) {
    expect_usage({{{"--steps", text}, expected + text + "\""}});
  }
}

TEST(BadArguments, Guidance) {
  const std::string expected = "--cfg-scale: expected a number from 0 to 1000, found \"";
  for (const char* text : {"nan", "inf", "-inf", "-1", "1001", "strong", "1.5x", "1,5", "", "1e999"}) {
    expect_usage({{{"--cfg-scale", text}, expected + text + "\""}});
  }
}

TEST(BadArguments, Seeds) {
  const std::string expected = "--seed: expected a whole number from -1 to 18446744073709551615, found \"";
  for (const char* text : {"-2", "18446744073709551616", "-9223372036854775808", "lucky", "1.5", "1e3", "+1", ""}) {
    expect_usage({{{"--seed", text}, expected + text + "\""}});
  }
}

TEST(BadArguments, SeveralPictures) {
  const std::string count = "--batch-count: expected a whole number from 1 to 1024, found ";
  const std::string list =
      "--seeds: expected up to 1024 whole numbers from 0 to 18446744073709551615 with commas between, such as 1,2,3, "
      "found ";
  expect_usage({
      {{"-b", "0"}, count + "\"0\""},
      {{"-b", "1025"}, count + "\"1025\""},
      {{"-b", "two"}, count + "\"two\""},
      {{"-b", "2", "-s", "18446744073709551615"}, "--seed: expected one that leaves room for 2 pictures"},
      {{"--seeds", ""}, list + "\"\""},
      {{"--seeds", "1,,2"}, list + "\"1,,2\""},
      {{"--seeds", "1,2,"}, list + "\"1,2,\""},
      {{"--seeds", "1,-2"}, list + "\"1,-2\""},
      {{"--seeds", "1,18446744073709551616"}, list + "\"1,18446744073709551616\""},
      {{"--seeds", "1, 2"}, list + "\"1, 2\""},
      {{"--seeds", "1,2", "-s", "3"}, "expected alone, found with --seed"},
      {{"--seeds", "1,2", "-b", "2"}, "expected alone, found with --"},
      {{"--seeds", "1,2", "-o", "one.png"}, "expected a file of its own for each of 2 pictures (%d or %s in the name)"},
      {{"--seeds", "1,1", "-o", "%s.png"}, "found 1.png twice"},
      {{"--rng", "dice"}, "--rng: expected cuda or cpu, found \"dice\""},
      {{"--look-ahead", "17"}, "--look-ahead: expected auto, off or a whole number from 1 to 16, found \"17\""},
      {{"--look-ahead", " 4"}, "--look-ahead: expected auto, off or a whole number from 1 to 16, found \" 4\""},
  });
}

TEST(BadArguments, OtherValues) {
  expect_usage({
      {{"--dtype", "float16"}, "--dtype: expected auto, float32 or bfloat16, found \"float16\""},
      {{"--dtype", "x"}, "--dtype: expected auto"},
      {{"--dtype", ""}, "--dtype: expected auto"},
      {{"--device", "nonsense"}, "device: expected auto, cpu, cuda or cuda:N, found \"nonsense\""},
      {{"--device", "cuda:x"}, "device: expected auto, cpu, cuda or cuda:N, found \"cuda:x\""},
      {{"--device", ""}, "device: expected auto"},
      {{"--threads", "-1"}, "--threads: expected a whole number from 0 to 1024, found \"-1\""},
      {{"--threads", "99999"}, "--threads: expected a whole number from 0 to 1024, found \"99999\""},
      {{"--dump-level", "deep"}, "--dump-level: expected stages or full, found \"deep\""},
      {{"-o", ""}, "--output: expected a path"},
      {{"-m", ""}, "--model: expected a path"},
      {{"--dump", ""}, "--dump: expected a path"},
      {{"--inject", ""}, "--inject: expected a path"},
  });
}

TEST(BadArguments, NoPromptOrNoCommand) {
  const auto said = [](const Arguments& arguments) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_NE(said({"generate"}).find("expected a prompt, found none"), std::string::npos);
  EXPECT_NE(said({"generate", "-q"}).find("expected a prompt, found none"), std::string::npos);
  EXPECT_NE(said({"draw"}).find("expected a command such as generate, found \"draw\""), std::string::npos);
  EXPECT_NE(said({"a cat", "--steps", "2"}).find("expected a command such as generate, found \"a cat\""),
            std::string::npos);
  EXPECT_NE(said({"devices", "cpu"}).find("expected nothing after devices, found \"cpu\""), std::string::npos);
  EXPECT_NE(said({"kernels", "cuda"}).find("expected only options after kernels, found \"cuda\""), std::string::npos);
  EXPECT_NE(
      said({"kernels", "--chek"}).find("unknown option --chek; did you mean --check?\nSee glm-image kernels --help"),
      std::string::npos);
  EXPECT_NE(said({"kernels", "--device"}).find("--device: expected a value, found none"), std::string::npos);
  EXPECT_NE(said({"kernels", "--device", "gpu"}).find("expected auto, cpu, cuda or cuda:N, found \"gpu\""),
            std::string::npos);
  EXPECT_NE(said({"run", "-", "--look-ahead", "on"}).find("--look-ahead: expected auto, off or"), std::string::npos);
  EXPECT_NE(said({"--frobnicate"}).find("unknown option --frobnicate"), std::string::npos);
}

// nano has 4096 positions.
TEST(BadArguments, APromptBeyondTheModelsPositions) {
  const TemporaryFolder folder;
  const Outcome outcome = run_program({"generate", "-", "-o", (folder / "a.png").string()},
                                      {.input = std::string(20000, 'a'), .folder = {}, .output = {}});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("the prompt is too long"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("the model has only 4096; shorten the prompt"), std::string::npos) << outcome.err;
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(OddPrompts, AreDrawn) {
  for (const std::string& prompt :
       {std::string("\n\na\033[31m"), std::string("a \"quoted\" 'text' \u201cof\u201d \"no end"), std::string("{}")}) {
    const TemporaryFolder folder;
    const Outcome outcome = run_program({"generate", "-", "-m", small_checkpoint().string(), "--size", "128x128",
                                         "--steps", "1", "--threads", "1", "-o", (folder / "a.png").string()},
                                        {.input = prompt, .folder = {}, .output = {}});
    EXPECT_EQ(outcome.status, 0) << prompt << ": " << outcome.err;
    for (const char c : outcome.err) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ') << outcome.err;
    EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.png"});
  }
}

TEST(OddPrompts, MayStartWithADashAfterTwo) {
  const TemporaryFolder folder;
  Arguments arguments = prefix(folder);
  arguments.erase(arguments.begin() + 1);
  arguments.insert(arguments.end(), {"--size", "128x128", "--steps", "1", "--threads", "1", "--", "-a cat"});
  const Outcome outcome = run_program(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

// Behind -- everything is an argument, and there is one only.
TEST(BadArguments, OptionsBehindTwoDashes) {
  const std::string expected = "glm-image: expected one ";
  const std::vector<std::pair<Arguments, std::string>> rows = {
      {{"generate", "--", "-5 degrees", "-s", "1"}, "prompt, also found \"-s\"; put options before --"},
      {{"generate", "--", "-5", "x"}, "prompt, also found \"x\"; put all of it in quotes"},
      {{"generate", "--", "x", "--"}, "prompt, also found \"--\"; put options before --"},
      {{"generate", "x", "--", "-s", "1"}, "prompt, also found \"-s\"; put options before --"},
      {{"generate", "-qs", "7", "x", "--", "--steps=2"}, "prompt, also found \"--steps=2\"; put options before --"},
      {{"info", "a.png", "b.png"}, "FILE, found more\nSee glm-image info --help"},
      {{"run", "a.json", "b.json"}, "FILE, found more\nSee glm-image run --help"},
      {{"info", "--", "a.png", "--json"}, "FILE, also found \"--json\"; put options before --"},
      {{"completion", "bash", "--", "zsh"}, "SHELL, also found \"zsh\"; put all of it in quotes"},
  };
  for (const auto& [arguments, said] : rows) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.err, expected + said + "\n");
  }
  EXPECT_NE(run_program({"devices", "--", "x"}).err.find("expected nothing after devices, found \"x\""),
            std::string::npos);
  EXPECT_NE(run_program({"generate", "--"}).err.find("expected a prompt, found none"), std::string::npos);
  for (const Arguments& taken : std::vector<Arguments>{{"-qs", "7"}, {"-s7"}, {"-ofile.png"}, {"-y", "-W", "128"}}) {
    Arguments all = {"generate", "--dry-run", "-m", small_checkpoint().string()};
    all.insert(all.end(), taken.begin(), taken.end());
    all.insert(all.end(), {"--", "-5 degrees"});
    EXPECT_EQ(run_program(all).status, 0) << taken[0];
  }
}

TEST(BadArguments, AnEmptyPrompt) {
  const TemporaryFolder folder;
  for (const std::string prompt : {"", " ", "\n\t"}) {
    Arguments arguments = small_picture(folder / "a.png");
    arguments[1] = prompt;
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("expected a prompt, found an empty one"), std::string::npos) << outcome.err;
    arguments[1] = "-";
    EXPECT_EQ(run_program(arguments, {.input = prompt, .folder = {}, .output = {}}).status, 2);
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

}  // namespace
}  // namespace glm
