// Several pictures in one call, sizes that are no multiple of 32, and the streams of random numbers.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace glm {
namespace {

class SeveralPictures : public testing::Test {
 protected:
  // Runs in the folder; -o "" leaves the option out.
  Outcome draw(const std::string& output, Arguments more) {
    Arguments arguments = {"generate",  "a sign \"A\"",
                           "-m",        small_checkpoint().string(),
                           "--size",    "128x128",
                           "--steps",   "1",
                           "--threads", "1",
                           "-y",        "--no-metadata"};
    if (!output.empty()) more.insert(more.end(), {"-o", output});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, {.input = {}, .folder = folder_.path(), .output = {}});
  }
  std::string bytes(const std::string& name) { return read_file(folder_ / name); }

  TemporaryFolder folder_;
};

TEST_F(SeveralPictures, AreNamedByTheirSeedsAndEqualTheOnesDrawnAlone) {
  const Outcome outcome = draw("", {"-s", "7", "-b", "3"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(names_in(folder_.path()),
            (std::vector<std::string>{"glm-image-7.png", "glm-image-8.png", "glm-image-9.png"}));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3);
  for (const std::string seed : {"7", "8", "9"}) {
    ASSERT_EQ(draw("alone.png", {"-s", seed}).status, 0);
    EXPECT_TRUE(bytes("alone.png") == bytes("glm-image-" + seed + ".png")) << seed;
    EXPECT_NE(outcome.out.find("glm-image-" + seed + ".png\n"), std::string::npos) << outcome.out;
  }
}

TEST_F(SeveralPictures, OfAListAndAPatternOfNumberAndSeed) {
  ASSERT_EQ(draw("p%d-of-%s.png", {"--seeds", "41,7"}).status, 0);
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"p1-of-41.png", "p2-of-7.png"}));
  ASSERT_EQ(draw("alone.png", {"-s", "41"}).status, 0);
  EXPECT_TRUE(bytes("alone.png") == bytes("p1-of-41.png"));
}

TEST_F(SeveralPictures, ASizeThatIsCroppedIsReportedWithItsGrid) {
  const Outcome outcome = draw("a.png", {"-s", "7", "--size", "150x129"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("seed 7  150x129, cropped from 160x160, grid 5x5  (tokens"), std::string::npos)
      << outcome.err;
}

TEST_F(SeveralPictures, TheStreamIsTheCardsUnlessTheCpusIsAsked) {
  ASSERT_EQ(draw("default.png", {"-s", "7"}).status, 0);
  ASSERT_EQ(draw("cuda.png", {"-s", "7", "--rng", "cuda"}).status, 0);
  ASSERT_EQ(draw("cpu.png", {"-s", "7", "--rng", "cpu"}).status, 0);
  EXPECT_TRUE(bytes("default.png") == bytes("cuda.png"));
  EXPECT_FALSE(bytes("default.png") == bytes("cpu.png"));
}

}  // namespace
}  // namespace glm
