// Random weights: a picture of noise without a checkpoint, the same each time.
#include <ATen/ATen.h>

#include <set>

#include "base/json.h"
#include "engine/checkpoint/random_weights.h"
#include "engine/checkpoint/weights.h"
#include "glm/weights.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(GLM_SOURCE_DIR) / "models";

TEST(RandomModel, DrawsTheSamePictureEachTime) {
  std::vector<std::vector<uint8_t>> drawn;
  for (int i = 0; i < 2; ++i) {
    const Pipeline pipeline("random:" + (kModels / "nano").string(),
                            {.dtype = "auto", .device = test_device_name(), .threads = 1});
    Request request;
    request.prompt = "a sign that says \"A\"";
    request.width = request.height = 128;
    request.steps = 2;
    drawn.push_back(pipeline.generate(request, {}).pictures[0].image.rgb);
  }
  EXPECT_TRUE(drawn[0] == drawn[1]);
  std::set<uint8_t> levels(drawn[0].begin(), drawn[0].end());
  EXPECT_GT(levels.size(), 20) << "a picture of one colour";
}

TEST(RandomModel, NamesAFolderThatIsNotThere) {
  EXPECT_TRUE(refused(ErrorCode::model, {"/no/such: no such folder"},
                      [] { Pipeline("random:/no/such", {.dtype = "auto", .device = "cpu", .threads = 1}); }));
}

TEST(RandomModel, OfThePublicShapesHasItsDimensionsAndATokenizer) {
  const ModelConfig c(kModels / "public");
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.prior.layers * c.prior.dim, 40 * 4096);
  EXPECT_EQ(c.prior.rotary_dim(), 64);
  EXPECT_TRUE(c.prior.attention_bias);
  EXPECT_EQ(c.dit.layers * c.dit.dim(), 30 * 4096);
  EXPECT_EQ(c.generation.eos, std::vector<int64_t>{16385});
  EXPECT_EQ(c.picture.width, 1024);
  for (const char* file :
       {"processor/tokenizer.json", "processor/tokenizer_config.json", "tokenizer/tokenizer_config.json"}) {
    EXPECT_TRUE(fs::exists(kModels / "public" / file)) << file;
  }
}

TEST(RandomWeight, IsScaledByItsKindAndHangsOnItsName) {
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(test_device());
  const auto deviation = [&](const std::string& name, at::IntArrayRef shape) {
    return random_weight(name, shape, options).std().item<double>();
  };
  EXPECT_NEAR(deviation("a.to_q.weight", {256, 400}), 0.05, 1e-3);
  EXPECT_NEAR(deviation("a.conv.weight", {64, 100, 2, 2}), 0.05, 1e-3);
  EXPECT_NEAR(deviation("model.embed_tokens.weight", {256, 400}), 1.0, 2e-2);
  EXPECT_NEAR(deviation("a.to_q.bias", {100000}), 0.02, 1e-3);
  EXPECT_TRUE(at::equal(random_weight("norm.weight", {8}, options), at::ones({8}, options)));
  const auto draw = [&](const std::string& name) { return random_weight(name, {4, 4}, options); };
  EXPECT_TRUE(at::equal(draw("a.weight"), draw("a.weight")));
  EXPECT_FALSE(at::equal(draw("a.weight"), draw("b.weight")));
}

TEST(RandomWeight, IsTheSameDrawnInParts) {
  const std::vector<int64_t> shape = {3, 1 << 13, 1 << 12};  // more than a part in fp32
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    std::vector<at::Tensor> parts;
    draw_random_weight("a.weight", shape, dtype, [&](const at::Tensor& part) { parts.push_back(part); });
    EXPECT_GT(parts.size(), 1U);
    const at::Tensor whole = random_weight("a.weight", shape, at::TensorOptions(dtype));
    EXPECT_TRUE(at::equal(at::cat(parts), whole.flatten()));
  }
}

class RandomCheckpoint : public testing::TestWithParam<const char*> {
 protected:
  fs::path write(const std::string& name) const {
    const fs::path to = folder_ / name;
    write_random_weights(kModels / "nano", to, {.format = GetParam()}, {});
    return to;
  }
  const TemporaryFolder folder_;
};

TEST_P(RandomCheckpoint, IsWholeInItsFormatAndTheSameEachTime) {
  const fs::path first = write("first");
  const WeightsReport report = inspect_weights(first, {});
  EXPECT_EQ(report.count_problems(), 0);
  for (const StoredComponent& component : report.components) {
    const bool blocks = component.name == "transformer" || component.name == "vision_language_encoder";
    const bool coded = blocks || (component.name == "text_encoder" && std::string(GetParam()) == "sdnq");
    EXPECT_EQ(component.format.find("bf16") == std::string::npos, coded) << component.name << ": " << component.format;
  }
  const fs::path second = write("second");
  for (const auto& entry : fs::recursive_directory_iterator(first)) {
    if (!entry.is_regular_file()) continue;
    const fs::path name = fs::relative(entry.path(), first);
    EXPECT_TRUE(read_file(entry.path(), 1U << 30U) == read_file(second / name, 1U << 30U)) << name;
  }
}

TEST_P(RandomCheckpoint, NumbersAreScaledAsTheUnquantisedOnesAre) {
  const Weights w(write("made") / "transformer", at::kFloat);
  for (int64_t block = 1; block < 6; ++block) {
    const Weights own = w / "transformer_blocks" / std::to_string(block);
    const at::Tensor numbers = (own / "ff.net.0.proj").tensor("weight", {1024, 256});
    EXPECT_NEAR(numbers.std().item<double>() * 16, 1, 0.15);
  }
}

TEST_P(RandomCheckpoint, Draws) {
  const Pipeline pipeline(write("made"), {.device = test_device_name(), .threads = 1});
  Request request;
  request.prompt = "a sign that says \"A\"";
  request.width = request.height = 128;
  request.steps = 1;
  const std::vector<uint8_t> drawn = pipeline.generate(request, {}).pictures[0].image.rgb;
  EXPECT_GT(std::set<uint8_t>(drawn.begin(), drawn.end()).size(), 20) << "a picture of one colour";
}

INSTANTIATE_TEST_SUITE_P(Formats, RandomCheckpoint, testing::Values("autoround", "sdnq"),
                         [](const auto& test) { return std::string(test.param); });

// The public model's configuration comes with nano's tokenizer.
TEST(RandomTokenizer, GetsTheIdsOfTheConfiguration) {
  const TemporaryFolder folder;
  const fs::path shapes = folder / "shapes";
  fs::copy(kModels / "nano", shapes, fs::copy_options::recursive);
  const fs::path file = shapes / "vision_language_encoder/config.json";
  nlohmann::json config = read_json(file);
  config["image_token_id"] = 2100;
  config["image_start_token_id"] = 1100;
  write_bytes(file, config.dump());
  write_random_weights(shapes, folder / "made", {}, {});
  const Model model(folder / "made", "auto", test_device());
  EXPECT_EQ(model.text_tokenizer.id_of("<|image|>"), 2100);
}

TEST(RandomTokenizer, IsNotWrittenInOtherFormats) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refused(ErrorCode::usage, {"format", "autoround or sdnq", "gguf"},
                      [&] { write_random_weights(kModels / "nano", folder / "made", {.format = "gguf"}, {}); }));
  EXPECT_FALSE(fs::exists(folder / "made"));
}

}  // namespace
}  // namespace glm
