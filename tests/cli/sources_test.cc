// Where options come from: flags, a picture's metadata, the environment, configuration files, the checkpoint.
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <cctype>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// --dry-run --json says what would be done without drawing.
class Sources : public testing::Test {
 protected:
  json plan(Arguments more, const std::map<std::string, std::string>& environment = {}) {
    Arguments all = {"generate",  "a cat",  "-m", small_checkpoint().string(), "--device", "cpu",
                     "--dry-run", "--json", "-q"};
    all.insert(all.end(), more.begin(), more.end());
    Surroundings around{.folder = folder_.path()};
    around.environment = environment;
    const Outcome outcome = run_program(all, around);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? json::parse(outcome.out) : json();
  }
  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  TemporaryFolder folder_;
};

TEST_F(Sources, AreStrongerOneByOne) {
  write("user/glm-image/config.toml", "steps = 2\ncfg-scale = 2.0\ntop-k = 2\ntemperature = 2.0\n");
  const std::string config = write("config.toml", "# mine\nsteps = 3\ncfg-scale = 3\ntop-k = 3\n");
  const std::map<std::string, std::string> user = {{"XDG_CONFIG_HOME", folder_ / "user"}};
  std::map<std::string, std::string> all = user;
  all["GLM_IMAGE_STEPS"] = "4";
  all["GLM_IMAGE_CFG_SCALE"] = "4";
  const json of_model = plan({});
  EXPECT_EQ(plan({}, user)["steps"], 2);
  EXPECT_NE(of_model["steps"], 2);
  const json p = plan({"--config", config, "--steps", "5"}, all);
  EXPECT_EQ(p["steps"], 5) << "a flag is strongest";
  EXPECT_EQ(p["guidance"], 4.0) << "then the environment";
  EXPECT_EQ(p["top_k"], 3) << "then --config";
  EXPECT_EQ(p["temperature"], 2.0) << "then the user's file";
  EXPECT_EQ(p["top_p"], of_model["top_p"]) << "then the checkpoint";
  all["GLM_IMAGE_CONFIG"] = config;
  EXPECT_EQ(plan({}, all)["top_k"], 3) << "--config has a name in the environment too";
}

TEST_F(Sources, TheUsersFileIsFoundInTheHomeFolder) {
  write(".config/glm-image/config.toml", "steps = 9\n");
  EXPECT_EQ(plan({}, {{"XDG_CONFIG_HOME", ""}, {"HOME", folder_.path().string()}})["steps"], 9);
}

TEST_F(Sources, AStrongerWordOnTheSameThingMakesWeakerOnesVoid) {
  const std::string config = write("config.toml", "seeds = [1, 2, 3]\nsize = \"256x160\"\n");
  EXPECT_EQ(plan({"--config", config})["seeds"], json({1, 2, 3}));
  EXPECT_EQ(plan({"--config", config, "-s", "7"})["seeds"], json({7}));
  EXPECT_EQ(plan({"--config", config, "-W", "128"})["width"], 128);
  EXPECT_EQ(plan({"--config", config, "-W", "128"})["height"], 160);
  EXPECT_EQ(plan({"--config", config, "--size", "128x128"})["height"], 128);
  EXPECT_EQ(plan({}, {{"GLM_IMAGE_WIDTH", "192"}, {"GLM_IMAGE_SEEDS", "4,5"}})["seeds"], json({4, 5}));
  EXPECT_EQ(plan({"--seeds", "4,5", "--steps", "3", "--seeds", "6", "--steps", "2"})["seeds"], json({4, 5, 6}));
  EXPECT_EQ(plan({"--size", "128x160"}, {{"GLM_IMAGE_WIDTH", "192"}})["width"], 128);
}

TEST_F(Sources, SwitchesAndListsHaveValuesInAFile) {
  const std::string config = write("config.toml", "greedy = true\nno-metadata = false\nimage = [\"" +
                                                      std::string(GLM_SOURCE_DIR) + "/nothing.png\"]");
  Outcome outcome = run_program({"generate", "a cat", "--config", config, "--dry-run"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("nothing.png: expected a picture to read"), std::string::npos) << outcome.err;
  outcome = run_program({"generate", "a cat", "--dry-run"}, {.environment = {{"GLM_IMAGE_GREEDY", "1"}}});
  EXPECT_NE(outcome.err.find("drawing tokens: the likeliest"), std::string::npos) << outcome.err;
}

// A file of the user's that is there, but can't be read, isn't passed over in silence.
TEST_F(Sources, AUsersFileThatCanNotBeReadIsTold) {
  fs::create_directories(folder_ / "a/glm-image");
  fs::create_symlink("nowhere", folder_ / "a/glm-image/config.toml");
  const auto run = [&](const std::string& folder) {
    return run_program({"generate", "a", "--dry-run"}, {.environment = {{"XDG_CONFIG_HOME", folder_ / folder}}});
  };
  const Outcome link = run("a");
  EXPECT_EQ(link.status, 2);
  EXPECT_NE(link.err.find("config.toml: expected a configuration file to read, found a link that leads nowhere"),
            std::string::npos)
      << link.err;
  // Its folder can't be entered, as when another user's home is kept: a warning, because nobody knows what is there.
  fs::create_directories(folder_ / "b");
  fs::create_symlink("glm-image", folder_ / "b/glm-image");
  const Outcome closed = run("b");
  EXPECT_EQ(closed.status, 0) << closed.err;
  EXPECT_NE(
      closed.err.find("warning: " + (folder_ / "b/glm-image/config.toml").string() + " isn't read: Too many levels"),
      std::string::npos)
      << closed.err;
}

TEST_F(Sources, ThatAreBrokenAreNamedWithThePlace) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"steps = 0", "config.toml: steps: expected a whole number from 1 to 1000, found \"0\""},
      {"steps = nan", "config.toml: steps: expected a whole number"},
      {"steps = \"many\"", "steps: expected a whole number"},
      {"cfg-scale = nan", "cfg-scale: expected a number from 0 to 1000, found \"nan\""},
      {"\n\nstep = 3",
       "config.toml:3: expected the name of an option of glm-image generate or run, such as steps, found \"step\"; "
       "did you mean steps?"},
      {"cfg_scale = 2", "found \"cfg_scale\"; did you mean cfg-scale?"},
      {"steps = 20.0", "steps: expected a whole number from 1 to 1000, found \"20.0\""},
      {"text = \"\"", "text: expected a text to draw, found \"\""},
      {std::string("s\0t\0e\0p\0s\0=\0001\0", 14), "config.toml: expected text in UTF-8, found UTF-16"},
      {"config = \"other.toml\"", "found \"config\""},
      {"steps = ", "config.toml:1: expected TOML, such as steps = 20"},
      {"steps = 1\nsteps = 2", "config.toml:2: expected TOML"},
      {"greedy = 2", "greedy: expected true or false, found \"2\""},
      {"[steps]\nx = 1", "steps: expected a number, a text or true or false"},
      {"seed = 1\nseeds = [1]", "expected alone, found with"},
      {"size = \"1x1\"", "size: expected 128 to 2048 pixels a side, found 1x1"},
  };
  for (const auto& [text, said] : rows) {
    const std::string config = write("config.toml", text);
    const Outcome outcome = run_program({"generate", "a cat", "--config", config, "--dry-run"});
    EXPECT_EQ(outcome.status, 2) << text;
    EXPECT_NE(outcome.err.find(said), std::string::npos) << text << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  const Outcome none = run_program({"generate", "a cat", "--config", "/nonexistent", "--dry-run"});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("/nonexistent: expected a configuration file to read, found none"), std::string::npos);
  const Outcome environment =
      run_program({"generate", "a cat", "--dry-run"}, {.environment = {{"GLM_IMAGE_STEPS", "x"}}});
  EXPECT_EQ(environment.status, 2);
  EXPECT_NE(environment.err.find("GLM_IMAGE_STEPS: expected a whole number"), std::string::npos) << environment.err;
}

// A number means the same wherever it is written, to its last digit.
TEST_F(Sources, AllReadTheSameNumbers) {
  const std::vector<std::vector<std::string>> rows = {{"cfg-scale", "1.2345678", "guidance"},
                                                      {"top-p", "0.99999999", "top_p"},
                                                      {"temperature", "0.1000000001", "temperature"},
                                                      {"cfg-scale", "1e-7", "guidance"},
                                                      {"cfg-scale", "999.99999999999", "guidance"},
                                                      {"steps", "1000", "steps"},
                                                      {"top-k", "16777216", "top_k"}};
  for (const std::vector<std::string>& row : rows) {
    const json given = plan({"--" + row[0], row[1]})[row[2]];
    EXPECT_EQ(given, json::parse(row[1])) << row[0];
    EXPECT_EQ(plan({"--config", write("c.toml", row[0] + " = " + row[1])})[row[2]], given) << row[0];
    EXPECT_EQ(plan({"--config", write("c.toml", row[0] + " = \"" + row[1] + "\"")})[row[2]], given) << row[0];
    std::string name = "GLM_IMAGE_";
    for (const char c : row[0]) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
    EXPECT_EQ(plan({}, {{name, row[1]}})[row[2]], given) << row[0];
  }
}

TEST_F(Sources, SeedsGoUpToTheLastOfThem) {
  const uint64_t last = std::numeric_limits<uint64_t>::max();
  const std::string text = std::to_string(last);
  const json one({last});
  const json three({uint64_t{1} << 63, last, (uint64_t{1} << 53) + 1});
  const std::string list = "9223372036854775808,18446744073709551615,9007199254740993";
  EXPECT_EQ(plan({"-s", text})["seeds"], one);
  EXPECT_EQ(plan({"--seeds", list})["seeds"], three);
  EXPECT_EQ(plan({}, {{"GLM_IMAGE_SEED", text}})["seeds"], one);
  EXPECT_EQ(plan({}, {{"GLM_IMAGE_SEEDS", list}})["seeds"], three);
  EXPECT_EQ(plan({"--config", write("c.toml", "steps = 2\nseed = " + text + " # the last\n")})["seeds"], one);
  EXPECT_EQ(plan({"--config", write("c.toml", "seed = \"" + text + "\"")})["seeds"], one);
  EXPECT_EQ(plan({"--config", write("c.toml", "seeds = [\n  " + list + "\n]\nsteps = 3")})["seeds"], three);
  EXPECT_EQ(plan({"-b", "2", "-s", "18446744073709551614"})["seeds"], json({last - 1, last}));
  EXPECT_EQ(plan({"-s", "-1"})["seeds"].size(), 1U);
  EXPECT_EQ(plan({"--config", write("c.toml", "seed = -1")})["seeds"].size(), 1U);
  for (const char* wrong : {"18446744073709551616", "-9223372036854775809", "99999999999999999999999999"}) {
    const Outcome outcome =
        run_program({"generate", "a cat", "--dry-run", "--config", write("c.toml", std::string("seed = ") + wrong)});
    EXPECT_EQ(outcome.status, 2) << wrong;
    EXPECT_NE(outcome.err.find("seed: expected a whole number from -1 to " + text), std::string::npos) << outcome.err;
  }
}

TEST_F(Sources, KnowTheHomeFolder) {
  const fs::path home = small_checkpoint().parent_path();
  const std::string model = "~/" + small_checkpoint().filename().string();
  const auto status = [&](const Arguments& more, std::map<std::string, std::string> environment) {
    Arguments all = {"generate", "a cat", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    environment["HOME"] = home.string();
    return run_program(all, {.environment = environment}).status;
  };
  EXPECT_EQ(status({"--config", write("c.toml", "model = \"" + model + "\"")}, {}), 0);
  EXPECT_EQ(status({"--config", write("c.toml", "model = \"random:" + model + "\"")}, {}), 0);
  EXPECT_EQ(status({}, {{"GLM_IMAGE_MODEL", model}}), 0);
  EXPECT_EQ(status({"--model=" + model}, {}), 0);
  EXPECT_EQ(status({"--model=~nobody/x"}, {}), 3) << "another user's folder is the shell's business";
  const passwd* user = ::getpwuid(::getuid());
  if (user == nullptr) GTEST_SKIP() << "the system doesn't know this user";
  EXPECT_EQ(plan({"-o", "~/q.png"}, {{"HOME", ""}})["files"], json({user->pw_dir + std::string("/q.png")}));
}

TEST_F(Sources, SwitchesCanBeTurnedOffAgain) {
  const std::string config = write("c.toml", "greedy = true\noverwrite = true\njson = true\nno-metadata = true");
  write("a.png", "a file that is there");
  const auto run = [&](const Arguments& more) {
    Arguments all = {"generate", "a cat", "--dry-run", "--config", config, "-o", (folder_ / "a.png").string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all);
  };
  EXPECT_EQ(run({}).status, 0);
  EXPECT_NE(run({}).out, "");
  EXPECT_EQ(run({"--no-json"}).out, "");
  EXPECT_NE(run({"--no-json"}).err.find("drawing tokens: the likeliest"), std::string::npos);
  EXPECT_EQ(run({"--no-json", "--no-greedy"}).err.find("drawing tokens: the likeliest"), std::string::npos);
  EXPECT_EQ(run({"--no-overwrite"}).status, 1);
  EXPECT_EQ(run({"--no-overwrite", "-y"}).status, 0) << "the last one counts";
  EXPECT_EQ(run({"-y", "--no-overwrite"}).status, 1);
  EXPECT_EQ(run({"--metadata"}).status, 0);
}

// A switch that is off, or a number that a stronger source replaces, contradicts nothing.
TEST_F(Sources, AStrongerSourceDecidesWhetherTokensAreDrawn) {
  const std::string greedy = write("c.toml", "greedy = true");
  const std::string warm = write("d.toml", "temperature = 2.0");
  const auto said = [&](const Arguments& more, const std::map<std::string, std::string>& environment = {}) {
    Arguments all = {"generate", "a cat", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    const std::string err = run_program(all, {.environment = environment}).err;
    const size_t at = err.find("drawing tokens: ");
    return at == std::string::npos ? err : err.substr(at + 16, 13);
  };
  EXPECT_EQ(said({"--config", greedy}), "the likeliest");
  EXPECT_EQ(said({"--config", greedy, "--temperature", "2"}), "temperature 2");
  EXPECT_EQ(said({"--config", greedy}, {{"GLM_IMAGE_TEMPERATURE", "2"}}), "temperature 2");
  EXPECT_EQ(said({"--config", warm, "--greedy"}), "the likeliest");
  EXPECT_EQ(said({"--config", warm, "--no-greedy"}), "temperature 2");
  EXPECT_EQ(said({"--config", write("e.toml", "greedy = false\ntemperature = 2.0")}), "temperature 2");
  EXPECT_NE(said({}, {{"GLM_IMAGE_GREEDY", "1"}, {"GLM_IMAGE_TOP_K", "3"}}).find("GLM_IMAGE_TOP_K: expected alone"),
            std::string::npos);
}

TEST_F(Sources, ThePromptOfTheStrongerOneIsDrawn) {
  const std::string file = write("prompt.txt", "a sign that says \"FILE\"");
  const std::string config = write("c.toml", "prompt-file = \"" + file + "\"");
  const auto said = [&](const Arguments& more, const std::map<std::string, std::string>& environment = {},
                        const std::string& input = "") {
    Arguments all = {"generate", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    const std::string err = run_program(all, {.input = input, .environment = environment}).err;
    return err.substr(0, err.find('\n'));
  };
  const std::string of_file = "text to be drawn: \"FILE\"";
  const std::string of_argument = "text to be drawn: \"ARGUMENT\"";
  EXPECT_EQ(said({"--config", config}), of_file);
  EXPECT_EQ(said({}, {{"GLM_IMAGE_PROMPT_FILE", file}}), of_file);
  EXPECT_EQ(said({"\"ARGUMENT\"", "--config", config}), of_argument);
  EXPECT_EQ(said({"\"ARGUMENT\""}, {{"GLM_IMAGE_PROMPT_FILE", file}}), of_argument);
  EXPECT_EQ(said({"-"}, {{"GLM_IMAGE_PROMPT_FILE", file}}, "\"ARGUMENT\""), of_argument);
  EXPECT_EQ(said({"--prompt-file", file}, {{"GLM_IMAGE_PROMPT_FILE", "/nonexistent"}}), of_file);
  EXPECT_EQ(said({"a cat"}, {{"GLM_IMAGE_TEXT", "ONE\nTWO\n"}}), "text to be drawn: \"ONE\", \"TWO\"");
}

// A switch's opposite is a name in files and in the environment, too.
TEST_F(Sources, SwitchesHaveTheirOppositesEverywhere) {
  write("a.png", "a file that is there");
  const auto run = [&](const std::string& config, const std::map<std::string, std::string>& environment,
                       const Arguments& more = {}) {
    Arguments all = {"generate", "a cat", "--dry-run", "--config", write("c.toml", config), "-o", "a.png"};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all, {.folder = folder_.path(), .environment = environment});
  };
  const std::string likeliest = "drawing tokens: the likeliest";
  const std::string greedy = "greedy = true\noverwrite = true\n";
  EXPECT_NE(run(greedy, {}).err.find(likeliest), std::string::npos);
  EXPECT_NE(run("no-greedy = false\noverwrite = true\n", {}).err.find(likeliest), std::string::npos);
  EXPECT_EQ(run(greedy, {{"GLM_IMAGE_NO_GREEDY", "1"}}).err.find(likeliest), std::string::npos);
  EXPECT_NE(run("overwrite = true", {{"GLM_IMAGE_NO_GREEDY", "false"}}).err.find(likeliest), std::string::npos);
  EXPECT_EQ(run("no-overwrite = true", {}).status, 1);
  EXPECT_EQ(run("no-overwrite = true", {}, {"-y"}).status, 0);
  const Outcome both = run("greedy = true\nno-greedy = false\noverwrite = true", {});
  EXPECT_NE(
      both.err.find("c.toml: no-greedy: expected alone, found with " + (folder_ / "c.toml").string() + ": greedy"),
      std::string::npos)
      << both.err;
  EXPECT_EQ(run(greedy, {{"GLM_IMAGE_NO_GREEDY", "1"}, {"GLM_IMAGE_GREEDY", "1"}}).status, 2);
  EXPECT_NE(run("metadata = 3", {}).err.find("c.toml: metadata: expected true or false, found \"3\""),
            std::string::npos);
  EXPECT_EQ(run("no-steps = 3", {}).status, 2);
  const Outcome off = run(greedy, {{"GLM_IMAGE_METADATA", "0"}, {"GLM_IMAGE_JSON", ""}});
  EXPECT_EQ(off.status, 0);
  EXPECT_EQ(off.err.find("warning"), std::string::npos) << off.err;
  ASSERT_EQ(run_program(small_picture(folder_ / "b.png"), {.environment = {{"GLM_IMAGE_METADATA", "1"}}}).status, 0);
  Arguments drawn = small_picture(folder_ / "b.png");
  drawn.erase(std::find(drawn.begin(), drawn.end(), "--no-metadata"));
  ASSERT_EQ(run_program(drawn, {.environment = {{"GLM_IMAGE_METADATA", "0"}}}).status, 0);
  EXPECT_NE(run_program({"info", (folder_ / "b.png").string()}).status, 0);
  ASSERT_EQ(run_program(drawn, {.environment = {{"GLM_IMAGE_METADATA", "1"}}}).status, 0);
  EXPECT_EQ(run_program({"info", (folder_ / "b.png").string()}).status, 0);
}

TEST_F(Sources, TheEnvironmentHasEveryOption) {
  const auto run = [&](const std::map<std::string, std::string>& environment, const Arguments& more = {}) {
    Arguments all = {"generate", "a cat", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all, {.environment = environment});
  };
  const std::string png = std::string(GLM_SOURCE_DIR) + "/tests/pictures/goldens/files/bit.png";
  EXPECT_EQ(run({{"GLM_IMAGE_IMAGE", png + "\n" + png}}).status, 0);
  EXPECT_NE(run({{"GLM_IMAGE_IMAGE", png + "\n/nonexistent.png"}}).err.find("/nonexistent.png: expected a picture"),
            std::string::npos);
  const Outcome from = run({{"GLM_IMAGE_FROM", png}});
  EXPECT_EQ(from.status, 2);
  EXPECT_NE(from.err.find("bit.png: expected a picture that glm-image made"), std::string::npos) << from.err;
  EXPECT_NE(run({}, {"--config", write("c.toml", "from = \"" + png + "\"")})
                .err.find("expected a picture that glm-image made"),
            std::string::npos);
  const Outcome misspelt = run({{"GLM_IMAGE_STEP", "3"}, {"GLM_IMAGE_PROMPT", "x"}});
  EXPECT_EQ(misspelt.status, 0);
  EXPECT_NE(misspelt.err.find(
                "warning: GLM_IMAGE_STEP in the environment is no option's name; did you mean GLM_IMAGE_STEPS?\n"),
            std::string::npos)
      << misspelt.err;
  EXPECT_NE(misspelt.err.find("warning: GLM_IMAGE_PROMPT in the"), std::string::npos) << misspelt.err;
  EXPECT_EQ(run({{"GLM_IMAGE_STEP", "3"}}, {"-q"}).err.find("GLM_IMAGE_STEP"), std::string::npos);
}

TEST_F(Sources, WhatHasNoEffectIsSaid) {
  const auto said = [](const Arguments& more) {
    Arguments all = {"generate", "a cat", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all).err;
  };
  EXPECT_NE(said({"--quality", "50"}).find("warning: --quality has no effect"), std::string::npos);
  EXPECT_NE(said({"--dump-level", "full"}).find("warning: --dump-level has no effect without --dump"),
            std::string::npos);
  EXPECT_EQ(said({"--quality", "50", "--format", "jpg"}).find("no effect"), std::string::npos);
  EXPECT_EQ(said({"--config", write("c.toml", "quality = 50")}).find("no effect"), std::string::npos) << "a habit";
}

TEST_F(Sources, ThePromptMayComeFromAFile) {
  const std::string file = write("prompt.txt", "a sign that says \"HELLO\"\n");
  const Outcome outcome = run_program({"generate", "--prompt-file", file, "--dry-run"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("text to be drawn: \"HELLO\"\n"), std::string::npos) << outcome.err;
  EXPECT_EQ(run_program({"generate", "a cat", "--prompt-file", file, "--dry-run"}).status, 2);
  EXPECT_EQ(run_program({"generate", "--prompt-file", "/nonexistent", "--dry-run"}).status, 1);
  EXPECT_EQ(run_program({"generate", "--prompt-file", "/dev/zero", "--dry-run"}).status, 2);
}

TEST_F(Sources, SizesByAspect) {
  const auto size = [&](const std::string& text) {
    const json p = plan({"--size", text});
    return std::pair(p["width"].get<int>(), p["height"].get<int>());
  };
  const auto [width, height] = size("auto");
  ASSERT_EQ(width, height) << "of this checkpoint";
  EXPECT_EQ(size("square"), std::pair(width, height));
  for (const auto& [text, aspect] :
       {std::pair("16:9", 16.0 / 9), {"9:16", 9.0 / 16}, {"landscape", 4.0 / 3}, {"portrait", 0.75}}) {
    const auto [w, h] = size(text);
    EXPECT_EQ(w % 32 + h % 32, 0) << text;
    EXPECT_NEAR(1.0 * w / h, aspect, 0.35 * aspect) << text;
    EXPECT_EQ(w > h, aspect > 1) << text;
  }
}

TEST_F(Sources, AHintWhenTheShellAteTheQuotes) {
  const auto said = [](const Arguments& more) {
    Arguments all = {"generate", "--dry-run"};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all).err;
  };
  EXPECT_NE(said({"a sign that says OPEN"}).find("Did the shell remove the quotes?"), std::string::npos);
  EXPECT_EQ(said({"a sign that says 'OPEN'"}).find("Did the shell"), std::string::npos);
  EXPECT_EQ(said({"a red apple"}).find("Did the shell"), std::string::npos);
  const std::string named = said({"a sign that says OPEN", "--text", "OPEN", "--text", "24 HOURS"});
  EXPECT_EQ(named.find("Did the shell"), std::string::npos) << named;
  EXPECT_NE(named.find("text to be drawn: \"OPEN\", \"24 HOURS\""), std::string::npos) << named;
}

}  // namespace
}  // namespace glm
