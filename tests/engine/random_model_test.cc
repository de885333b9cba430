// Random weights: a picture of noise without a checkpoint, the same each time.
#include <ATen/ATen.h>

#include <set>

#include "engine/checkpoint/random_weights.h"
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

}  // namespace
}  // namespace glm
