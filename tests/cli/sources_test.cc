// Where options come from: flags, a picture's metadata, the environment, configuration files, the checkpoint.
#include <gtest/gtest.h>

#include <fstream>
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

TEST_F(Sources, ThatAreBrokenAreNamedWithThePlace) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"steps = 0", "config.toml: steps: expected a whole number from 1 to 1000, found \"0\""},
      {"steps = nan", "config.toml: steps: expected a whole number"},
      {"steps = \"many\"", "steps: expected a whole number"},
      {"cfg-scale = nan", "cfg-scale: expected a number from 0 to 1000, found \"nan\""},
      {"\n\nstep = 3",
       "config.toml:3: expected the name of an option of glm-image generate, such as steps, found \"step\""},
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
