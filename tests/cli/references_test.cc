// Pictures to start from.
#include <gtest/gtest.h>

#include "glm/encode.h"
#include "tests/cli/program.h"
#include "tests/support/reference_picture.h"

namespace glm {
namespace {

class References : public testing::Test {
 protected:
  References() {
    write_png(folder_ / "wide.png", draw_reference({300, 150, 1}));
    write_png(folder_ / "tall.png", draw_reference({100, 200, 2}));
  }
  Outcome draw(Arguments more) {
    Arguments arguments = {
        "generate",     "at night", "-m", (std::filesystem::path(GLM_SOURCE_DIR) / "models/nano").string(),
        "--steps",      "1",        "-s", "7",
        "--no-metadata"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, {.input = {}, .folder = folder_.path(), .output = {}});
  }
  std::string bytes(const std::string& name) { return read_file(folder_ / name); }

  TemporaryFolder folder_;
};

// A PNG's width and height, which its header has from byte 16.
std::pair<int, int> size_of(const std::string& png) {
  const auto byte = [&](size_t at) { return static_cast<int>(static_cast<unsigned char>(png.at(at))); };
  return {256 * byte(18) + byte(19), 256 * byte(22) + byte(23)};
}

TEST_F(References, StartAPictureOfTheirAspect) {
  const Outcome outcome = draw({"-i", "wide.png", "--image", "tall.png", "-o", "two.png"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "two.png\n");
  EXPECT_NE(outcome.err.find("seed 7  352x192  (references "), std::string::npos) << outcome.err;
  EXPECT_EQ(size_of(bytes("two.png")), (std::pair{352, 192})) << "the first's aspect at 256x256's area";
  ASSERT_EQ(draw({"-i", "wide.png", "-i", "tall.png", "--size", "auto", "-o", "auto.png"}).status, 0);
  EXPECT_TRUE(bytes("two.png") == bytes("auto.png"));
  ASSERT_EQ(draw({"-i", "wide.png", "--size", "128x160", "-o", "one.png"}).status, 0);
  EXPECT_EQ(size_of(bytes("one.png")), (std::pair{128, 160}));
  ASSERT_EQ(draw({"--size", "auto", "-o", "none.png"}).status, 0);
  EXPECT_EQ(size_of(bytes("none.png")), (std::pair{256, 256}));
}

TEST_F(References, ThatCannotBeReadAreNamed) {
  Outcome outcome = draw({"-i", "no.png", "-o", "a.png"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("no.png"), std::string::npos) << outcome.err;
  outcome = draw({"-i", "", "-o", "a.png"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("--image"), std::string::npos) << outcome.err;
  Arguments nine = {"-o", "a.png"};
  for (int i = 0; i < 9; ++i) nine.insert(nine.end(), {"-i", "tall.png"});
  outcome = draw(nine);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("references: expected at most 8, found 9"), std::string::npos) << outcome.err;
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"tall.png", "wide.png"}));
}

}  // namespace
}  // namespace glm
