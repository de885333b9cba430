// `glm-image weights inspect` and `glm-image weights verify`, as their users meet them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kWeights = "transformer/diffusion_pytorch_model.safetensors";

class WeightsCommand : public testing::Test {
 protected:
  WeightsCommand() {
    fs::copy(small_checkpoint(), model(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(model())) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  fs::path model() const { return folder_ / "model"; }
  Outcome weights(const std::string& action, const Arguments& more = {}) const {
    Arguments all = {"weights", action, model().string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all);
  }
  void spoil() const { fs::resize_file(model() / kWeights, 100'000); }
  static void expect_said(const std::string& text, const Arguments& said) {
    for (const std::string& part : said) EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const TemporaryFolder folder_;
};

TEST_F(WeightsCommand, InspectPrintsATableOfComponents) {
  const Outcome good = weights("inspect");
  EXPECT_EQ(good.status, 0);
  EXPECT_EQ(good.err, "");
  expect_said(good.out, {"a GLM-Image checkpoint\n", "COMPONENT", "FORMAT", "PARAMETERS", "\ntransformer ", "fp32",
                         "\nvae ", "\ntotal "});
  spoil();
  const Outcome bad = weights("inspect");
  EXPECT_EQ(bad.status, 3);
  expect_said(bad.out, {"\ntransformer ", "\nvae ", kWeights, "the file is damaged, download it again"});
  expect_said(bad.err, {"glm-image: ", "1 thing is wrong"});
}

TEST_F(WeightsCommand, InspectPrintsOneJsonObject) {
  const Outcome good = weights("inspect", {"--json"});
  EXPECT_EQ(good.status, 0);
  const json report = json::parse(good.out);
  EXPECT_EQ(report["path"], model().string());
  EXPECT_EQ(report["good"], true);
  ASSERT_EQ(report["components"].size(), 4U);
  const json& c = report["components"][1];
  EXPECT_EQ(c["name"], "transformer");
  for (const char* key :
       {"missing", "misshapen", "mistyped", "contradictions", "unclaimed", "not_finite", "zeros", "problems"}) {
    EXPECT_EQ(c[key], json::array()) << key;
  }
  int64_t bytes = 0;
  for (const json& tensor : c["tensors"]) bytes += tensor["end"].get<int64_t>() - tensor["begin"].get<int64_t>();
  EXPECT_EQ(c["bytes"], bytes);
  EXPECT_EQ(c["tensors"][0]["dtype"], "F32");
  spoil();
  const Outcome bad = weights("inspect", {"--json"});
  EXPECT_EQ(bad.status, 3);
  EXPECT_EQ(json::parse(bad.out)["good"], false);
}

TEST_F(WeightsCommand, InspectListsTheTensorsOfALoneFile) {
  const Outcome lone = run_program({"weights", "inspect", (model() / kWeights).string()});
  EXPECT_EQ(lone.status, 0) << lone.err;
  expect_said(lone.out, {"a file of weights", "TENSOR", "\nproj_out.weight ", "F32", "[", "\ntransformer "});
}

TEST_F(WeightsCommand, NamesFromFilesDoNotReachTheTerminalAsTheyAre) {
  write_safetensors(folder_ / "model/vae/diffusion_pytorch_model.safetensors", {{"\x1b[2Jred", at::ones({2})}}, {});
  std::ofstream(model() / "tokenizer/tokenizer_config.json") << R"({"\u001b[2J": })";
  for (const char* action : {"inspect", "verify"}) {
    const Outcome bad = weights(action);
    EXPECT_EQ(bad.status, 3) << action;
    expect_said(bad.out, {"[2Jred", "tokenizer_config.json"});
    EXPECT_EQ((bad.out + bad.err).find('\x1b'), std::string::npos) << action << "\n" << bad.out << bad.err;
  }
}

TEST_F(WeightsCommand, VerifyWritesAManifestAndGoesByIt) {
  const Outcome first = weights("verify");
  EXPECT_EQ(first.status, 0);
  expect_said(first.out, {kWeights, "good", "--write-manifest"});
  expect_said(first.err, {"read ", " GB/s\n"});
  EXPECT_EQ(weights("verify", {"--write-manifest", "-q"}).err, "");
  EXPECT_TRUE(fs::exists(model() / "SHA256SUMS"));
  expect_said(weights("verify").out, {"the manifest"});
  const Outcome twice = weights("verify", {"--write-manifest"});
  EXPECT_EQ(twice.status, 1);
  expect_said(twice.err, {"SHA256SUMS: exists already", "remove it first"});
  EXPECT_EQ(weights("verify", {"--write-manifest", (folder_ / "sums").string()}).status, 0);
  EXPECT_EQ(weights("verify", {"--manifest", (folder_ / "sums").string()}).status, 0);
  spoil();
  const Outcome bad = weights("verify", {"--json"});
  EXPECT_EQ(bad.status, 3);
  EXPECT_EQ(json::parse(bad.out)["good"], false);
  expect_said(bad.err, {"of ", kWeights, "download it again"});
  fs::remove(folder_ / "sums");
  EXPECT_EQ(weights("verify", {"--write-manifest", (folder_ / "sums").string()}).status, 3);
  EXPECT_FALSE(fs::exists(folder_ / "sums")) << "a damaged checkpoint has no manifest";
}

TEST_F(WeightsCommand, VerifySaysBeforeItReadsThatTheManifestCannotBeWritten) {
  for (const auto& [place, said] : {std::pair{std::string("/proc/version"), "can't be written"},
                                    std::pair{(folder_ / "no/such").string(), "there is no folder"},
                                    std::pair{folder_.path().string(), "found a folder"}}) {
    const Outcome outcome = weights("verify", {"--write-manifest", place});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    expect_said(outcome.err, {place, said});
  }
  const Outcome full = weights("verify", {"--write-manifest", "/dev/full"});
  EXPECT_EQ(full.status, 1);
  expect_said(full.err, {"/dev/full: can't be written (No space left on device)"});
}

TEST_F(WeightsCommand, VerifyShowsItsSpeedAndCtrlCEndsItAtOnce) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  const fs::path large = folder_ / "large";
  fs::create_directory(large);
  const std::string size = "16000000000";
  const std::string header = R"({"w":{"dtype":"U8","shape":[)" + size + R"(],"data_offsets":[0,)" + size + "]}}";
  const uint64_t length = header.size();
  std::ofstream file(large / "model.safetensors", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length) << header;
  file.close();
  fs::resize_file(large / "model.safetensors", 8 + length + 16'000'000'000);  // a hole, which takes no disk
  std::ofstream(large / "SHA256SUMS") << std::string(64, '0') << "  model.safetensors\n";
  Terminal terminal({"weights", "verify", large.string()});
  ASSERT_TRUE(terminal.wait_for(" GB/s  ")) << terminal.seen();
  const auto begin = std::chrono::steady_clock::now();
  terminal.send(SIGINT);
  EXPECT_EQ(terminal.finish(), 128 + SIGINT);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 2);
  EXPECT_EQ(terminal.ended_by(), SIGINT);
  EXPECT_NE(terminal.seen().find("reading ["), std::string::npos) << terminal.seen();
}

TEST_F(WeightsCommand, RandomWritesACheckpointThatDrawsWhatRandomWeightsDraw) {
  const fs::path made = folder_ / "made";
  const Outcome written = run_program({"weights", "random", model().string(), "--to", made.string()});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(written.out, made.string() + "\n");
  EXPECT_EQ(run_program({"weights", "inspect", made.string()}).status, 0);
  EXPECT_EQ(run_program({"weights", "verify", made.string()}).status, 0);
  for (const auto& [file, name] :
       {std::pair{"a.png", "random:" + model().string()}, std::pair{"b.png", made.string()}}) {
    EXPECT_EQ(run_program(small_picture(folder_ / file, {"-m", name, "--no-metadata"})).status, 0);
  }
  EXPECT_TRUE(read_file(folder_ / "a.png") == read_file(folder_ / "b.png"));
  const Outcome again = run_program({"weights", "random", model().string(), "--to", made.string()});
  EXPECT_EQ(again.status, 1);
  expect_said(again.err, {"exists already"});
  EXPECT_EQ(run_program({"weights", "random", "/nonexistent", "--to", (folder_ / "no").string()}).status, 3);
  EXPECT_EQ(run_program({"weights", "random", model().string()}).status, 2);
  EXPECT_EQ(run_program({"weights", "random", model().string(), "--to", "/proc/no"}).status, 1);
  EXPECT_EQ(
      run_program({"weights", "random", "random:public", "--to", (folder_ / "cut").string()}, {.file_size = 1'000'000})
          .status,
      1)
      << "a file that can't grow, as on a full disk";
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"a.png", "b.png", "made", "model"}));
}

TEST_F(WeightsCommand, RandomNeedsTokenizers) {
  for (const char* file : {"processor/tokenizer.json", "tokenizer/tokenizer_config.json"}) {
    const std::string whole = read_file(model() / file);
    for (const char* bytes : {"null", "[]", "{", ""}) {
      std::ofstream(model() / file) << bytes;
      const Outcome broken = weights("random", {"--to", (folder_ / "new").string()});
      EXPECT_EQ(broken.status, 3) << file << bytes;
      expect_said(broken.err, {(model() / file).string() + ": "});
      EXPECT_EQ(broken.err.find("json.exception"), std::string::npos) << broken.err;
      EXPECT_FALSE(fs::exists(folder_ / "new"));
    }
    std::ofstream(model() / file) << whole;
  }
}

TEST_F(WeightsCommand, WrongUseIsTold) {
  const std::string folder = model().string();
  for (const auto& [arguments, said] : std::vector<std::pair<Arguments, std::string>>{
           {{"weights"}, "expected an ACTION, found none"},
           {{"weights", "look", folder}, "expected inspect, verify, selftest or random"},
           {{"weights", "verify"}, "expected a DIR, found none"},
           {{"weights", "inspect", folder, "b"}, "also \"b\""},
           {{"weights", "verify", folder, "b", "c"}, "also found \"c\""},
           {{"weights", "inspect", folder, "--manifest", "b"}, "--manifest"},
           {{"weights", "verify", "--", folder, "b", "c"}, "also found \"c\""},
           {{"weights", "verify", ""}, "expected a path"}}) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.status, 2) << said;
    EXPECT_EQ(outcome.out, "");
    expect_said(outcome.err, {said});
  }
  EXPECT_EQ(run_program({"weights", "verify", "/nonexistent"}).status, 3);
  EXPECT_EQ(run_program({"weights", "inspect", "/nonexistent"}).status, 3);
  EXPECT_EQ(run_program({"weights", "--", "verify", folder}).status, 0);
}

}  // namespace
}  // namespace glm
