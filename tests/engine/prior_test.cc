// The prior. Logits with upstream's tokens fed, and the tokens it writes by itself.
#include "engine/run/prior.h"

#include <ATen/ATen.h>

#include "glm/error.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

using TokensStage = StageTest;

TEST_P(TokensStage, LogitsAreUpstreams) {
  EXPECT_TRUE(golden.matches("ar.logits", forced_logits(tap() / "ar.prefill"), tolerance::kStage));
  const int layers = compare_seen("ar.prefill.", tolerance::kStage);
  if (golden.parameters().at("level") == "full") {
    EXPECT_EQ(layers, model.config.prior.layers);
  }
}

TEST_P(TokensStage, TokensAreUpstreams) {
  const at::Tensor tokens = generate_tokens(model.prior, model.config, {prior_request()}).tokens[0];
  EXPECT_TRUE(golden.bytes_equal("ar.generated", tokens));
}

TEST_P(TokensStage, LargeGridAndItsUpsamplingAreUpstreams) {
  const at::Tensor large =
      large_grid(golden.tensor("ar.generated"), preview(), grid(), model.config.generation.codebook);
  EXPECT_TRUE(golden.bytes_equal("prior.d32_ids.0", large));
  EXPECT_TRUE(golden.bytes_equal("prior.ids", upsample_ids(large, grid())));
}

INSTANTIATE_TEST_SUITE_P(Upstream, TokensStage, testing::ValuesIn(float32_cases()), case_name);

TEST(PriorGrid, UpsamplingRepeatsEachCellOnBothAxes) {
  const at::Tensor ids = at::arange(6, at::kLong).unsqueeze(0);  // 2 rows of 3
  const at::Tensor expected =
      at::tensor({0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5}, at::kLong);
  EXPECT_TRUE(at::equal(upsample_ids(ids, {2, 3}), expected.unsqueeze(0)));
}

TEST(PriorGrid, AShortGridIsAnErrorThatNamesTheCounts) {
  const at::Tensor tokens = at::zeros({1, 20}, at::kLong);
  try {
    large_grid(tokens, {4, 4}, {3, 2}, 256);
    FAIL() << "20 of 22 tokens were taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::model);
    EXPECT_NE(std::string(e.what()).find("20 of 22"), std::string::npos) << e.what();
  }
}

TEST(PriorGrid, IllegalIdsAreAnErrorThatNamesTheCount) {
  at::Tensor tokens = at::zeros({1, 23}, at::kLong);
  tokens[0][17] = 256;
  tokens[0][21] = 300;
  tokens[0][22] = 257;  // the end token, beyond the grid: legal
  try {
    large_grid(tokens, {4, 4}, {3, 2}, 256);
    FAIL() << "illegal ids were taken";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("2 of 6"), std::string::npos) << e.what();
  }
}

// Checkpoint a with a head that ends early (eos) or writes ids that are no image tokens (oob), as the golden's
// lm_head_edit says: upstream's tokens with --allow-early-stop, a full grid of image tokens without.
class OtherHead : public testing::TestWithParam<std::string> {
 protected:
  OtherHead() : golden(Golden::of(GetParam() + ".safetensors")) {
    const nlohmann::json& edit = golden.header().at("lm_head_edit");
    std::filesystem::copy(golden.checkpoint(), checkpoint, std::filesystem::copy_options::recursive);
    rewrite_tensors(checkpoint / "vision_language_encoder/model.safetensors", [&](auto& tensors) {
      at::Tensor rows =
          tensors.at(edit.at("tensor")).slice(0, edit.at("rows")[0], edit.at("rows")[1].template get<int64_t>() + 1);
      rows.mul_(edit.at("multiply").template get<double>())
          .select(1, 0)
          .fill_(edit.at("column0").template get<double>());
    });
  }

  c10::InferenceMode inference;
  const Golden& golden;
  TemporaryFolder folder;
  std::filesystem::path checkpoint = folder / "checkpoint";
};

TEST_P(OtherHead, UpstreamsWayGivesUpstreamsTokensAndOursFillsTheGrid) {
  const Model model(checkpoint, "float32", test_device());
  const GenerationConfig& g = model.config.generation;
  const Grid target{golden.parameters().at("height").get<int64_t>() / 32,
                    golden.parameters().at("width").get<int64_t>() / 32};
  const Grid preview = preview_grid(target);
  PriorRequest request{.ids = golden.tensor("ar.in.input_ids"),
                       .preview = preview,
                       .target = target,
                       .sampling = {.temperature = g.temperature,
                                    .top_p = g.top_p,
                                    .top_k = g.top_k,
                                    .greedy = golden.parameters().at("greedy")},
                       .allow_early_stop = true,
                       .rng = golden.request().rng,
                       .seed = golden.parameters().at("seed")};
  const at::Tensor free = generate_tokens(model.prior, model.config, {request}).tokens[0];
  EXPECT_TRUE(golden.bytes_equal("ar.generated", free));
  if (golden.header().at("upstream_error").is_null()) {
    EXPECT_NO_THROW(large_grid(free, preview, target, g.codebook));
  } else {  // upstream crashed on these
    EXPECT_THROW(large_grid(free, preview, target, g.codebook), Error);
  }
  request.allow_early_stop = false;
  const at::Tensor masked = generate_tokens(model.prior, model.config, {request}).tokens[0];
  const int64_t cells = preview.height * preview.width + target.height * target.width;
  ASSERT_EQ(masked.size(1), cells + 1);
  EXPECT_LT(masked.slice(1, 0, cells).max().item<int64_t>(), g.codebook);
}

INSTANTIATE_TEST_SUITE_P(Upstream, OtherHead, testing::ValuesIn(golden_cases([](const Golden& golden) {
                           return golden.parameters().contains("head");
                         })),
                         case_name);

// Upstream stops nano's prior early at 512x320: its plain way is an error here, ours fills the grid.
TEST(PriorGrid, AnEarlyEndIsMaskedUnlessItIsAllowed) {
  const c10::InferenceMode inference;
  const Model model(std::filesystem::path(GLM_SOURCE_DIR) / "models/nano", "float32", test_device());
  const Grid target{10, 16};
  const PromptLayout layout =
      layout_prompt(model.text_tokenizer, model.layout_tokens, "a red apple on a yellow background", target, false);
  PriorRequest request{.ids = at::tensor(layout.ids, at::kLong).unsqueeze(0),
                       .preview = layout.preview,
                       .target = target,
                       .sampling = {.temperature = 0.6, .top_p = 0.75, .top_k = 0, .greedy = false},
                       .allow_early_stop = true,
                       .rng = Rng::cpu,
                       .seed = 1};
  const int64_t cells = layout.preview.height * layout.preview.width + 160;
  const at::Tensor free = generate_tokens(model.prior, model.config, {request}).tokens[0];
  ASSERT_LT(free.size(1), cells) << "this seed ended early upstream-wise when the test was written";
  EXPECT_EQ(std::vector{free[0][-1].item<int64_t>()}, model.config.generation.eos);
  request.allow_early_stop = false;
  const at::Tensor masked = generate_tokens(model.prior, model.config, {request}).tokens[0];
  ASSERT_EQ(masked.size(1), cells + 1);
  EXPECT_LT(masked.slice(1, 0, cells).max().item<int64_t>(), model.config.generation.codebook);
  EXPECT_TRUE(at::equal(masked.slice(1, 0, free.size(1) - 1), free.slice(1, 0, -1)))
      << "up to the end token both are the same";
}

}  // namespace
}  // namespace glm
