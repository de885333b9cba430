// The safety checker against upstream's: what it sees, each stage, the scores and the verdict.
#include "glm/safety.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <optional>
#include <set>
#include <thread>

#include "base/sha256.h"
#include "engine/components/safety_checker.h"
#include "engine/device/upload.h"
#include "pictures/clip_crop.h"
#include "tests/base/child.h"
#include "tests/engine/safety_cases.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> safety_cases() {
  std::vector<std::string> cases;
  for (const auto& entry : fs::directory_iterator(fs::path(GLM_SOURCE_DIR) / "tests/goldens/safety")) {
    cases.push_back("safety/" + entry.path().stem().string());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

// The picture of a case.
Image picture_of(const Golden& golden) {
  const json& p = golden.parameters().at("picture");
  return draw_reference({.width = p[0], .height = p[1], .pattern = p[2]});
}

// A copy of the checker with what a case changes in it.
class SafetyCase : public SafetyCopy {
 public:
  explicit SafetyCase(const Golden& golden) {
    const json& p = golden.parameters();
    json all = read_json(config());
    all.update(p.value("config", json::object()));
    write_bytes(config(), all.dump());
    all = read_json(preprocessor());
    all.update(p.value("preprocessor", json::object()));
    write_bytes(preprocessor(), all.dump());
    if (!p.contains("dtype")) return;
    const at::ScalarType dtype = p.at("dtype") == "float16" ? at::kHalf : at::kBFloat16;
    rewrite_tensors(weights(), [&](auto& tensors) {
      for (auto& item : tensors) item.second = item.second.to(dtype);
    });
  }
};

at::Tensor as_scores(const std::vector<double>& scores) {
  return at::tensor(scores, at::kDouble).to(at::kFloat);
}

class SafetyStage : public testing::TestWithParam<std::string> {
 protected:
  const Golden& golden_ = Golden::of(GetParam() + ".safetensors");
  const SafetyCase files_{golden_};
};

TEST_P(SafetyStage, EachTensorIsUpstreams) {
  const c10::InferenceMode inference;
  const SafetyFolder folder(files_.path());
  const SafetyConfig config(folder);
  const auto uploader = test_device().is_cpu() ? nullptr : std::make_shared<Uploader>(test_device());
  const ConceptChecker checker(Weights(folder.checker, at::kFloat, uploader), config);
  const Image seen = clip_crop(picture_of(golden_), {.shortest_edge = config.shortest_edge, .side = config.image_size});
  const at::Tensor bytes =
      at::tensor(seen.rgb, at::kByte).view({1, seen.height, seen.width, 3}).permute({0, 3, 1, 2}).contiguous();
  EXPECT_TRUE(golden_.bytes_equal("pixels_u8", bytes));
  const at::Tensor pixels = checker.normalized(bytes);
  EXPECT_TRUE(golden_.bytes_equal("pixels", pixels));
  std::set<std::string> compared;
  checker.forward(pixels, {[&](const std::string& name, const at::Tensor& value) {
                             EXPECT_TRUE(golden_.matches(name, value, tolerance::kStage));
                             compared.insert(name);
                           },
                           Tap::Level::full});
  EXPECT_EQ(compared, (std::set<std::string>{"block0", "block1", "concept_cos", "embeddings", "image_embeds", "pooled",
                                             "pre_layrnorm", "special_cos"}));
}

// Both ways of naming the tensors, and whatever else lies in the folder.
TEST_P(SafetyStage, ScoresAndVerdictAreUpstreams) {
  for (const bool public_names : {false, true}) {
    if (public_names) {
      rewrite_tensors(files_.weights(), [](auto& tensors) {
        std::map<std::string, at::Tensor> renamed;
        for (const auto& [name, tensor] : tensors) {
          renamed[(name.starts_with("vision_model.") ? "vision_model." : "") + name] = tensor;
        }
        renamed["vision_model.vision_model.embeddings.position_ids"] = at::arange(17).unsqueeze(0);
        tensors = renamed;
      });
      write_bytes(files_.checker() / "pytorch_model.bin", "pickled code");
    }
    const SafetyScores scores = files_.load().check(picture_of(golden_));
    EXPECT_TRUE(golden_.matches("special_scores", as_scores(scores.special), tolerance::kExact)) << public_names;
    EXPECT_TRUE(golden_.matches("concept_scores", as_scores(scores.concepts), tolerance::kExact)) << public_names;
    EXPECT_EQ(scores.flagged, golden_.tensor("flagged").item<int>() == 1) << public_names;
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, SafetyStage, testing::ValuesIn(safety_cases()), case_name);

// By upstream, on these very bytes, and with verdicts of each kind.
TEST(SafetyGoldens, AreOfThisCheckerAndOfEachKind) {
  const std::string hash = sha256_of(checkpoint_folder("safety") / "safety_checker" / "model.safetensors");
  int flagged = 0, rounded_to_zero = 0, flagged_by_special_care = 0;
  for (const std::string& name : safety_cases()) {
    const Golden& golden = Golden::of(name + ".safetensors");
    EXPECT_EQ(golden.header().at("weights_sha256"), hash) << name;
    const double best = golden.tensor("concept_scores").max().item<double>();
    const bool special = golden.tensor("special_scores").gt(0).any().item<bool>();
    flagged += golden.tensor("flagged").item<int>();
    rounded_to_zero += best == 0 ? 1 : 0;
    flagged_by_special_care += special && best > 0 && best <= 0.01 ? 1 : 0;
  }
  EXPECT_GE(safety_cases().size(), 20U);
  EXPECT_GE(flagged, 5);
  EXPECT_GE(rounded_to_zero, 2);
  EXPECT_GE(flagged_by_special_care, 1);
}

// Without a file CLIPImageProcessor's defaults hold, whose 224 pixels this small model doesn't take.
TEST(SafetyPictures, AreSeenByUpstreamsDefaultsWithoutAPreprocessor) {
  const SafetyCopy files;
  fs::remove(files.preprocessor());
  EXPECT_TRUE(files.refuses({"CLIPImageProcessor", "crop_size", "image_size (56)", "224"}));
}

TEST(SafetyPictures, OfOtherSizesAreRefused) {
  const SafetyChecker checker = SafetyCopy().load();
  for (const Image& image :
       {Image{}, Image{.width = 1, .height = 0, .rgb = {}}, Image{.width = -1, .height = -1, .rgb = {1, 2, 3}},
        Image{.width = 16385, .height = 1, .rgb = std::vector<uint8_t>(size_t{3} * 16385)},
        Image{.width = INT64_MAX, .height = INT64_MAX, .rgb = {1, 2, 3}}}) {
    EXPECT_TRUE(refused(ErrorCode::usage, {"picture", "sides of 1 to 16384"}, [&] { checker.check(image); }));
  }
  const Image cut{.width = 2, .height = 2, .rgb = std::vector<uint8_t>(11)};
  EXPECT_TRUE(refused(ErrorCode::usage, {"expected 12 bytes for 2x2", "found 11"}, [&] { checker.check(cut); }));
  EXPECT_NO_THROW(checker.check({.width = 16384, .height = 1, .rgb = std::vector<uint8_t>(size_t{3} * 16384)}));
}

TEST(SafetyPictures, OfSeveralThreadsGetTheirOwnScores) {
  const SafetyChecker checker = SafetyCopy().load();
  std::vector<std::thread> threads;
  std::vector<int> wrong(8);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&checker, i, &wrong] {
      for (int k = 0; k < 5; ++k) {
        const bool expected = i % 2 == 0;
        wrong[i] += checker.check(expected ? flagged_picture() : harmless_picture()).flagged == expected ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8));
}

TEST(SafetyCheckerOf, AnotherProcessOrAnotherOwnerIsRefused) {
  std::optional<SafetyChecker> checker = SafetyCopy().load();
  const auto message = [&] { return refused(ErrorCode::usage, {"fork"}, [&] { checker->check(harmless_picture()); }); };
  EXPECT_EQ(in_child([&] {
              const bool refuses = static_cast<bool>(message());
              checker.reset();  // waits for no thread
              return refuses;
            }),
            0);
  const SafetyChecker moved = std::move(*checker);
  EXPECT_FALSE(moved.check(harmless_picture()).flagged);
  EXPECT_TRUE(refused(ErrorCode::usage, {"moved from"}, [&] { checker->check(harmless_picture()); }));
}

}  // namespace
}  // namespace glm
