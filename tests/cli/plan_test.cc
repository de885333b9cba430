// What --dry-run knows before anything is drawn.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "glm/encode.h"
#include "tests/cli/program.h"
#include "tests/support/reference_picture.h"

namespace glm {
namespace {

using nlohmann::json;

TEST(DryRun, RefusesWhatARunRefuses) {
  const TemporaryFolder folder;
  std::ofstream(folder / "words.txt") << "no tensors";
  write_safetensors(folder / "other", {{"another", at::zeros({1})}}, {});
  const auto said = [&](const Arguments& more, const std::string& text, const std::string& input = "") {
    for (const bool dry : {true, false}) {
      Arguments all = {"generate", "-m", nano().string(), "-o", (folder / "a.png").string()};
      all.insert(all.end(), more.begin(), more.end());
      if (dry) all.emplace_back("--dry-run");
      const Outcome outcome = run_program(all, {.input = input});
      EXPECT_EQ(outcome.status, 2) << outcome.err;
      EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
  };
  said({"-"}, "the prompt is too long", std::string(20000, 'a'));
  said({"a", "--inject", "/nonexistent"}, "expected a file that --dump wrote, found none");
  said({"a", "--inject", folder.path().string()}, "expected a file that --dump wrote, found a folder");
  said({"a", "--inject", (folder / "words.txt").string()}, "can't inject");
  said({"a", "--inject", (folder / "other").string()}, "expected one of the tensors");
}

TEST(DryRun, CountsReferences) {
  const TemporaryFolder folder;
  write_png(folder / "large.png", draw_reference({1024, 1024, 1}));
  const auto plan = [&](int references) {
    Arguments all = {"generate", "a cat", "--dry-run", "--json", "--steps", "1", "--size", "128x128", "--threads", "1"};
    for (int i = 0; i < references; ++i) all.insert(all.end(), {"-i", (folder / "large.png").string()});
    const Outcome outcome = run_program(all);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out);
  };
  const json none = plan(0);
  const json eight = plan(8);
  EXPECT_GT(eight["seconds"].get<double>(), 3 * none["seconds"].get<double>());
  for (const char* bytes : {"working_bytes", "weight_bytes"}) EXPECT_TRUE(eight[bytes].is_number_integer()) << bytes;
  EXPECT_GT(eight["working_bytes"].get<int64_t>(), none["working_bytes"].get<int64_t>());
}

}  // namespace
}  // namespace glm
