// Both resizers against torchvision and PIL, every byte.
#include "pictures/resize.h"

#include <gtest/gtest.h>

#include "tests/pictures/goldens.h"

namespace glm {
namespace {

struct Pair {
  int64_t from_width, from_height, width, height;
  uint32_t bicubic, lanczos;
  std::vector<int> bicubic_row, lanczos_row;
};

std::vector<Pair> pairs() {
  std::vector<Pair> pairs;
  const nlohmann::json golden = read_golden("resize.json");
  for (const auto& entry : golden.at("resized")) {
    pairs.push_back({entry["from"][0], entry["from"][1], entry["to"][0], entry["to"][1], entry["bicubic"],
                     entry["lanczos"], entry["bicubic_row"], entry["lanczos_row"]});
  }
  return pairs;
}

void PrintTo(const Pair& p, std::ostream* out) {
  *out << p.from_width << "x" << p.from_height << "_to_" << p.width << "x" << p.height;
}

// The first pixels of the middle row: tells more than a checksum when they differ.
std::vector<int> middle_row(const Image& image) {
  const auto* row = &image.rgb[static_cast<size_t>(image.height / 2 * image.width * 3)];
  return {row, row + std::min<int64_t>(image.width, 6) * 3};
}

class Resize : public testing::TestWithParam<Pair> {};

TEST_P(Resize, BicubicIsTorchvisions) {
  const Pair& p = GetParam();
  const Image image = resize_bicubic(pattern(p.from_width, p.from_height), p.width, p.height);
  EXPECT_EQ(image.width, p.width);
  EXPECT_EQ(image.height, p.height);
  EXPECT_EQ(middle_row(image), p.bicubic_row);
  EXPECT_EQ(checksum(image), p.bicubic);
}

TEST_P(Resize, LanczosIsPils) {
  const Pair& p = GetParam();
  const Image image = resize_lanczos(pattern(p.from_width, p.from_height), p.width, p.height);
  EXPECT_EQ(middle_row(image), p.lanczos_row);
  EXPECT_EQ(checksum(image), p.lanczos);
}

INSTANTIATE_TEST_SUITE_P(Pairs, Resize, testing::ValuesIn(pairs()),
                         [](const auto& test) { return testing::PrintToString(test.param); });

TEST(ResizePairs, AreFortyAndMore) {
  EXPECT_GE(pairs().size(), 40U);
}

}  // namespace
}  // namespace glm
