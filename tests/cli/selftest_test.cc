// `glm-image weights selftest`, as its users meet it.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Outcome selftest(const fs::path& folder, const Arguments& more = {}) {
  Arguments all = {"weights", "selftest", folder.string(), "--device", "cpu"};
  all.insert(all.end(), more.begin(), more.end());
  return run_program(all);
}

void expect_said(const std::string& text, const Arguments& said) {
  for (const std::string& part : said) EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

// Nano in a folder of its own.
class SelftestCommand : public testing::Test {
 protected:
  SelftestCommand() {
    fs::copy(nano(), model(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(model())) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  fs::path model() const { return folder_ / "model"; }
  fs::path language() const { return model() / "vision_language_encoder"; }
  // A nano that turns by other angles.
  void spoil() const {
    json config = json::parse(read_file(language() / "config.json"));
    config["text_config"]["rope_parameters"]["rope_theta"] = 10'000.0;
    std::ofstream(language() / "config.json") << config.dump();
  }
  const TemporaryFolder folder_;
};

TEST_F(SelftestCommand, PrintsATableOfChecks) {
  const Outcome good = selftest(nano());
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.err, "");
  expect_said(good.out,
              {"VERDICT  COMPONENT                CHECK\n", "\npass     processor                ids of the sizes",
               "\npass     vision_language_encoder  tokens of \"three owls at night\" at 256x256\n",
               "\npass     vision_language_encoder  tokens of a picture of 256x256\n",
               "\nnothing was compared that comes out of text_encoder, transformer or vae; weights verify "});
  spoil();
  const Outcome bad = selftest(model());
  EXPECT_EQ(bad.status, 3);
  expect_said(bad.out, {"\nfail     vision_language_encoder  tokens of \"three owls at night\" at 256x256\n",
                        "tokens of \"three owls at night\" at 256x256: fail: 1 of 30 tokens are "});
  expect_said(bad.err, {model().string(), "3 of 10 checks failed", "another training of nano", "weights verify"});
}

TEST_F(SelftestCommand, PrintsOneJsonObject) {
  const Outcome good = selftest(nano(), {"--json"});
  EXPECT_EQ(good.status, 0);
  const json report = json::parse(good.out);
  EXPECT_EQ(report["folder"], nano().string());
  EXPECT_EQ(report["model"], "nano");
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["good"], true);
  EXPECT_EQ(report["unchecked"], (json{"text_encoder", "transformer", "vae"}));
  ASSERT_EQ(report["checks"].size(), 10U);
  EXPECT_EQ(report["checks"][9], (json{{"component", "vision_language_encoder"},
                                       {"name", "tokens of \"a rocket at night\" with a picture at 256x256"},
                                       {"verdict", "pass"},
                                       {"detail", "all 30 tokens are upstream's"}}));
  spoil();
  const Outcome bad = selftest(model(), {"--json"});
  EXPECT_EQ(bad.status, 3);
  EXPECT_EQ(json::parse(bad.out)["good"], false);
}

TEST_F(SelftestCommand, ThatNobodyCanTellIsStatusOneWithTheReason) {
  const Outcome other = selftest(small_checkpoint());
  EXPECT_EQ(other.status, 1);
  expect_said(other.out, {"\ncan't tell  vision_language_encoder  tokens\n"});
  expect_said(other.err, {small_checkpoint().string(), "nobody can tell", "of nano or zai-org/GLM-Image"});
  for (const char* name : {"random:public", "random:"}) {
    const std::string of = name == std::string("random:") ? name + nano().string() : name;
    const Outcome random = selftest(of, {"--json"});
    EXPECT_EQ(random.status, 1);
    const json report = json::parse(random.out);
    EXPECT_EQ(report["good"], false);
    EXPECT_EQ(report["checks"][0]["verdict"], "can't tell");
    expect_said(random.err, {"the weights are random"});
  }
}

TEST_F(SelftestCommand, BrokenFoldersAreErrorsAndNothingIsWritten) {
  for (const auto& [file, said] :
       {std::pair{"vision_language_encoder/model.safetensors", "model.safetensors"},
        std::pair{"processor/tokenizer.json", "tokenizer.json"}, std::pair{"vae/config.json", "config.json"},
        std::pair{"text_encoder/model.safetensors", "text_encoder"}}) {
    const std::string before = read_file(model() / file);
    fs::resize_file(model() / file, before.size() / 2);
    const Outcome broken = selftest(model());
    EXPECT_EQ(broken.status, 3) << file;
    EXPECT_EQ(broken.out, "") << file;
    expect_said(broken.err, {said});
    const Outcome in_json = selftest(model(), {"--json"});
    EXPECT_EQ(in_json.status, 3);
    EXPECT_EQ(json::parse(in_json.out)["good"], false);
    expect_said(json::parse(in_json.out)["problem"], {said});
    fs::remove(model() / file);
    EXPECT_EQ(selftest(model()).status, 3) << file;
    std::ofstream(model() / file, std::ios::binary) << before;
  }
  EXPECT_EQ(selftest("/nonexistent").status, 3);
  for (const auto& entry : fs::recursive_directory_iterator(model())) {
    const fs::perms written = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
    fs::permissions(entry, written, fs::perm_options::remove);
  }
  const std::vector<std::string> names = names_in(model());
  EXPECT_EQ(selftest(model()).status, 0) << "nothing is written there";
  EXPECT_EQ(names_in(model()), names);
}

TEST_F(SelftestCommand, WrongUseIsTold) {
  const std::string folder = nano().string();
  const std::string picture = (fs::path(GLM_SOURCE_DIR) / "doc/apple.jpg").string();
  for (const auto& [arguments, said] : std::vector<std::pair<Arguments, std::string>>{
           {{"weights", "selftest"}, "expected a DIR, found none"},
           {{"weights", "selftest", ""}, "expected a path"},
           {{"weights", "selftest", folder, "b"}, "also \"b\""},
           {{"weights", "selftest", folder, "--manifest", "b"}, "--manifest: expected weights verify"},
           {{"weights", "verify", folder, "--device", "cpu"}, "--device: expected weights selftest"},
           {{"weights", "inspect", folder, "--image", "b"}, "--image: expected weights selftest"},
           {{"weights", "selftest", folder, "--device", "tpu"}, "tpu"},
           {{"weights", "selftest", folder, "--image", picture}, "picture: expected none"},
           {{"weights", "selftest", folder, "--image", ""}, "--image: expected a path"}}) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2) << said << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "");
    expect_said(outcome.err, {said});
  }
  const Outcome missing = run_program({"weights", "selftest", folder, "--image", "/nonexistent.jpg"});
  EXPECT_EQ(missing.status, 1);
  expect_said(missing.err, {"/nonexistent.jpg"});
}

TEST_F(SelftestCommand, ShowsItsProgressAndCtrlCEndsIt) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  Terminal whole({"weights", "selftest", model().string(), "--device", "cpu"});
  EXPECT_EQ(whole.finish(), 0);
  expect_said(whole.seen(), {"reading [", "tokens [", "pass"});
  Terminal quiet({"weights", "selftest", model().string(), "--device", "cpu", "-q"});
  EXPECT_EQ(quiet.finish(), 0);
  EXPECT_EQ(quiet.seen().find("reading ["), std::string::npos);
  Terminal stopped({"weights", "selftest", model().string(), "--device", "cpu"});
  ASSERT_TRUE(stopped.wait_for("reading ["));
  stopped.send(SIGINT);
  EXPECT_EQ(stopped.finish(), 128 + SIGINT);
  EXPECT_EQ(stopped.ended_by(), SIGINT);
  EXPECT_EQ(stopped.seen().find("pass"), std::string::npos);
}

}  // namespace
}  // namespace glm
