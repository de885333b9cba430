// What --from takes from a picture, and what is stronger.
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

using nlohmann::json;

class From : public testing::Test {
 protected:
  Outcome draw(const std::string& file, const Arguments& more) {
    Arguments all = {"generate", "a cat", "-m", small_checkpoint().string(), "--size", "128x128", "--threads",
                     "1",        "-o",    file};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all, {.folder = folder_.path()});
  }
  json info(const std::string& file) {
    return json::parse(run_program({"info", file, "--json"}, {.folder = folder_.path()}).out);
  }

  TemporaryFolder folder_;
};

// What is given beside --from wins, option by option; what it replaces has no effect any more.
TEST_F(From, GivesWayToWhatIsGiven) {
  const auto again = [&](const Arguments& more, const std::map<std::string, std::string>& environment = {}) {
    Arguments all = {"generate", "-m", small_checkpoint().string(), "--threads", "1", "-y", "-o", "b.png"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = run_program(all, {.folder = folder_.path(), .environment = environment});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return info("b.png");
  };
  ASSERT_EQ(draw("a.png", {"--text", "A", "--steps", "1", "--seed", "18446744073709551615"}).status, 0);
  ASSERT_EQ(draw("greedy.png", {"--greedy", "--steps", "1"}).status, 0);
  std::ofstream(folder_ / "w.txt") << "a mouse";
  EXPECT_EQ(again({"--from", "a.png"})["seed"], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(again({"--from", "a.png"})["texts"], json({"A"}));
  EXPECT_EQ(again({"--from", "a.png", "a dog"})["texts"], json::array());
  EXPECT_EQ(again({"--from", "a.png", "--prompt-file", "w.txt"})["texts"], json::array());
  EXPECT_EQ(again({"--from", "a.png", "a dog", "--text", "B"})["texts"], json({"B"}));
  EXPECT_EQ(again({"--from", "a.png"}, {{"GLM_IMAGE_PROMPT_FILE", "w.txt"}})["texts"], json({"A"}));
  EXPECT_EQ(again({"--from", "greedy.png"}, {{"GLM_IMAGE_TEXT", "B"}})["texts"], json::array());
  EXPECT_EQ(again({}, {{"GLM_IMAGE_FROM", "a.png"}})["texts"], json({"A"}));
  EXPECT_EQ(again({"--from", "greedy.png"})["greedy"], true);
  for (const Arguments& drawn : std::vector<Arguments>{{"--temperature", "1"}, {"--top-k", "5"}, {"--no-greedy"}}) {
    Arguments all = {"--from", "greedy.png"};
    all.insert(all.end(), drawn.begin(), drawn.end());
    EXPECT_EQ(again(all)["greedy"], false) << drawn[0];
  }
  EXPECT_EQ(again({"--from", "a.png"}, {{"GLM_IMAGE_GREEDY", "1"}})["greedy"], false);
  EXPECT_EQ(again({"--from", "a.png", "--greedy"})["greedy"], true);
}

}  // namespace
}  // namespace glm
