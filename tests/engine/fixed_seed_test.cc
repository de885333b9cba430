// A seed gives the same picture tomorrow: nano at its own settings, 4 prompts x 2 seeds, tokens and pictures held.
#include <ATen/ATen.h>

#include <map>
#include <set>

#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

class FixedSeed : public testing::TestWithParam<std::string> {};

TEST_P(FixedSeed, TokensAndPictureAreHeld) {
  const Golden& golden = Golden::of(GetParam() + ".safetensors");
  const TemporaryFolder folder;
  Request request = golden.request();
  const Pipeline pipeline(golden.checkpoint(),
                          {.dtype = "float32", .device = test_device_name(), .look_ahead = "5", .threads = 1});
  EXPECT_EQ(*request.width, pipeline.details({}).width);
  EXPECT_EQ(*request.height, pipeline.details({}).height);
  EXPECT_EQ(*request.steps, pipeline.details({}).steps);
  EXPECT_EQ(*request.guidance, pipeline.details({}).guidance);
  request.dump = folder / "dump.safetensors";
  pipeline.generate(request, {});

  const SafetensorsFile dump(request.dump);
  EXPECT_TRUE(golden.bytes_equal("ar.generated", dump.tensor("ar.generated")));
  const at::Tensor levels =
      golden.same_elements("image", dump.tensor("image")).to(at::kInt) - golden.kept("image").to(at::kInt);
  EXPECT_LE(levels.abs().max().item<int>(), tolerance::kPictureLevels);
}

// The model is read once for each number of rows.
const Pipeline& nano_with(const std::string& rows) {
  static std::map<std::string, Pipeline> opened;
  const auto known = opened.find(rows);
  if (known != opened.end()) return known->second;
  const LoadOptions options{.dtype = "float32", .device = test_device_name(), .look_ahead = rows, .threads = 1};
  return opened.try_emplace(rows, std::filesystem::path(GLM_SOURCE_DIR) / "models/nano", options).first->second;
}

TEST_P(FixedSeed, TokensAreHeldInAnyNumberOfRows) {
  const Golden& golden = Golden::of(GetParam() + ".safetensors");
  const Request request = golden.request();
  const at::Tensor generated = golden.tensor("ar.generated");  // i64 [1, n]: the preview, the picture, the end
  for (const char* rows : {"off", "2", "16", "auto"}) {
    const std::vector<int64_t> ids = nano_with(rows).tokens(request, {})[0].ids;
    const auto count = static_cast<int64_t>(ids.size());
    const at::Tensor expected = generated[0].slice(0, generated.size(1) - 1 - count, generated.size(1) - 1);
    EXPECT_TRUE(at::equal(at::tensor(ids, at::kLong), expected)) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, FixedSeed, testing::ValuesIn(golden_cases([](const Golden& golden) {
                           return golden.parameters().at("level") == "picture";
                         })),
                         case_name);

TEST(FixedSeeds, AreFourPromptsOfTwoSeedsInBothStreams) {
  std::map<std::string, std::set<uint64_t>> seeds;
  const auto all = golden_cases([&](const Golden& golden) {
    if (golden.parameters().at("level") != "picture") return false;
    seeds[golden.parameters().at("prompt")].insert(golden.parameters().at("seed").get<uint64_t>());
    return true;
  });
  EXPECT_EQ(all.size(), 16);
  EXPECT_EQ(seeds.size(), 4);
  for (const auto& prompt : seeds) EXPECT_EQ(prompt.second.size(), 2);
}

}  // namespace
}  // namespace glm
