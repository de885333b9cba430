// The sizes of a reference against upstream's smart_resize and its pipeline.
#include "pictures/reference_size.h"

#include <gtest/gtest.h>

#include "tests/pictures/goldens.h"

namespace glm {
namespace {

ReferenceRule rule_of(const nlohmann::json& golden, const std::string& name) {
  const auto& rule = golden.at("rules").at(name);
  return {.cell = rule["factor"], .min_pixels = rule["min_pixels"], .max_pixels = rule["max_pixels"], .vae_cell = 32};
}

TEST(ReferenceSizes, OfNamedPicturesAreUpstreams) {
  const nlohmann::json golden = read_golden("sizes.json");
  int upstream_works = 0;
  for (const auto& named : golden.at("named")) {
    SCOPED_TRACE(named.dump());
    const ReferenceRule rule = rule_of(golden, named["rule"]);
    const ReferenceSize size = reference_size(named["size"][0], named["size"][1], rule);
    EXPECT_EQ(size.vision_width, named["vision"][0]);
    EXPECT_EQ(size.vision_height, named["vision"][1]);
    EXPECT_EQ(size.columns * rule.cell, size.vision_width);
    EXPECT_EQ(size.rows * rule.cell, size.vision_height);
    EXPECT_EQ(size.vae_width, size.columns * 32);
    EXPECT_EQ(size.vae_height, size.rows * 32);
    if (named["vae"].is_null()) continue;  // upstream refuses or crashes
    ++upstream_works;
    EXPECT_EQ(size.vae_width, named["vae"][0]);
    EXPECT_EQ(size.vae_height, named["vae"][1]);
  }
  EXPECT_GE(upstream_works, 10);
}

TEST(ReferenceSizes, OfAllPairsOfManySidesAreUpstreams) {
  const nlohmann::json golden = read_golden("sizes.json");
  for (const auto& [name, expected] : golden.at("checksums").items()) {
    const ReferenceRule rule = rule_of(golden, name);
    std::vector<int32_t> results;
    for (const int64_t width : golden.at("sides")) {
      for (const int64_t height : golden.at("sides")) {
        if (std::min(width, height) < rule.cell) continue;  // upstream's own limit
        const ReferenceSize size = reference_size(width, height, rule);
        results.push_back(static_cast<int32_t>(size.vision_width));
        results.push_back(static_cast<int32_t>(size.vision_height));
      }
    }
    EXPECT_GE(results.size(), 2U * 19000);
    EXPECT_EQ(checksum(results.data(), results.size() * sizeof(int32_t)), expected) << name;
  }
}

TEST(ReferenceSizes, AreNeverEmpty) {
  for (const auto& [width, height] :
       std::vector<std::pair<int64_t, int64_t>>{{16, 8192}, {8192, 16}, {1, 1}, {1, 8192}}) {
    const ReferenceSize size = reference_size(width, height, {});
    EXPECT_GE(size.columns, 1) << width << "x" << height;
    EXPECT_GE(size.rows, 1) << width << "x" << height;
    EXPECT_LE(std::max(size.vision_width, size.vision_height), 2048) << width << "x" << height;
  }
}

}  // namespace
}  // namespace glm
