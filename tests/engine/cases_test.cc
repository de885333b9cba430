// Are there as many goldens as were promised, and as different?
#include "tests/engine/cases.h"

#include <set>

#include "base/json.h"
#include "base/sha256.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class GoldenCases : public testing::TestWithParam<std::string> {};

TEST_P(GoldenCases, AreTwelveOfSixSizesAndMore) {
  std::set<std::pair<int64_t, int64_t>> sizes;
  std::set<double> guidance;
  int64_t cases = 0;
  int64_t in_float32 = 0;
  golden_cases([&](const Golden& golden) {
    const nlohmann::json& p = golden.parameters();
    if (p.at("checkpoint") != GetParam() || !golden.has("step0.noise_pred")) return false;
    sizes.emplace(p.at("width"), p.at("height"));
    guidance.insert(p.at("cfg").get<double>());
    in_float32 += p.at("dtype") == "float32" ? 1 : 0;
    ++cases;
    return false;
  });
  EXPECT_GE(cases, 12);
  EXPECT_GE(in_float32, 8);
  EXPECT_GE(sizes.size(), 6);
  EXPECT_GE(guidance.size(), 2);
}

// As hash_checkpoint() in weights_tools/reference/make_goldens.py: of model_index.json and each file of the components.
std::string hash_of_checkpoint(const fs::path& folder) {
  std::set<std::string> files = {"model_index.json"};
  const nlohmann::json index = read_json(folder / "model_index.json");
  for (const auto& [component, classes] : index.items()) {
    if (component.starts_with("_")) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder / component)) {
      files.insert(fs::relative(entry.path(), folder).string());
    }
  }
  Sha256 hash;
  for (const std::string& file : files) {
    const std::string content = read_file(folder / file, uint64_t{64} << 20U);
    hash.add(file + '\0');
    for (int byte = 0; byte < 8; ++byte) hash.add(std::string(1, static_cast<char>(content.size() >> (8 * byte))));
    hash.add(content);
  }
  return hash.hex();
}

using GoldensOf = GoldenCases;

// By upstream, on these very bytes.
TEST_P(GoldensOf, WereMadeOnThisCheckpoint) {
  std::set<std::string> hashes;
  fs::path folder;
  golden_cases([&](const Golden& golden) {
    if (golden.parameters().at("checkpoint") != GetParam()) return false;
    folder = golden.checkpoint();
    hashes.insert(golden.header().at("checkpoint_sha256"));
    return false;
  });
  EXPECT_EQ(hashes, std::set<std::string>{hash_of_checkpoint(folder)});
}

const auto kName = [](const auto& checkpoint) { return checkpoint.param; };
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenCases, testing::Values("a", "b", "c", "k", "nano"), kName);
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldensOf,
                         testing::Values("a", "b", "c", "d", "k", "nano", "q_autoround", "q_sdnq"), kName);

TEST(GoldenCasesTogether, SevenHaveLatentsOfFourPixels) {
  int64_t cases = 0;
  golden_cases([&](const Golden& golden) {
    const int64_t width = golden.parameters().at("width");
    if (golden.has("latents.init") && golden.header().at("tensors").at("latents.init").at("shape")[3] == width / 4)
      ++cases;
    return false;
  });
  EXPECT_GE(cases, 7);
}

TEST(GoldenCasesTogether, TenRunWithTheCardsStream) {
  std::vector<std::string> cuda = picture_cases();
  std::erase_if(cuda,
                [](const std::string& name) { return Golden::of(name + ".safetensors").request().rng != Rng::cuda; });
  EXPECT_GE(cuda.size(), 10);
}

TEST(GoldenCasesTogether, CoverTheSizesThatWereAskedFor) {
  std::set<std::pair<int64_t, int64_t>> sizes;
  golden_cases([&](const Golden& golden) {
    sizes.emplace(golden.parameters().at("width"), golden.parameters().at("height"));
    return false;
  });
  for (const auto& size : std::vector<std::pair<int64_t, int64_t>>{
           {128, 128}, {128, 2048}, {2048, 128}, {256, 448}, {640, 384}, {512, 320}}) {
    EXPECT_TRUE(sizes.contains(size)) << size.first << "x" << size.second;
  }
}

}  // namespace
}  // namespace glm
