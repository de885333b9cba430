#include "tokenizer/prompt_layout.h"

#include "base/json.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/tokenizer/golden.h"

namespace glm {
namespace {

using nlohmann::json;
using test::Ids;

class PromptLayoutOf : public testing::TestWithParam<const char*> {
 protected:
  const std::filesystem::path folder_ = test::checkpoint(GetParam()) / "processor";
  const TextTokenizer tokenizer_{folder_ / "tokenizer.json"};
  const LayoutTokens tokens_ = read_layout_tokens(folder_ / "tokenizer_config.json");
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, PromptLayoutOf, testing::Values("a", "nano"),
                         [](const auto& tested) { return std::string(tested.param); });

Grid grid_of(const json& pair) {
  return {pair[0].get<int64_t>(), pair[1].get<int64_t>()};
}

TEST_P(PromptLayoutOf, IdsAndGridsAreUpstreams) {
  const auto file = test::golden(std::string("layout_") + GetParam());
  ASSERT_GE(file["rows"].size(), 20U);
  for (const auto& row : file["rows"]) {
    SCOPED_TRACE(row["prompt"]);
    for (const bool parse_special : {true, false}) {
      const PromptLayout layout =
          layout_prompt(tokenizer_, tokens_, row["prompt"].get<std::string>(), grid_of(row["target"]), parse_special);
      EXPECT_EQ(layout.ids, (parse_special ? row["ids"] : row.value("plain", row["ids"])).get<Ids>());
      EXPECT_EQ(json({layout.target.height, layout.target.width}), row["target"]);
      EXPECT_EQ(json({layout.preview.height, layout.preview.width}), row["preview"]);
    }
  }
}

TEST_P(PromptLayoutOf, EndsWithTheImageToken) {
  EXPECT_EQ(tokens_.grid_begin, "<sop>");
  EXPECT_EQ(tokens_.grid_end, "<eop>");
  const PromptLayout layout = layout_prompt(tokenizer_, tokens_, "\xFF\xE7", {8, 8}, false);
  EXPECT_EQ(layout.ids.back(), tokenizer_.id_of(tokens_.image_begin));
}

TEST_P(PromptLayoutOf, RefusesTokensTheTokenizerDoesNotKnow) {
  LayoutTokens tokens = tokens_;
  tokens.grid_end = "<no such>";
  EXPECT_TRUE(refused(ErrorCode::model, {"<no such>"}, [&] { layout_prompt(tokenizer_, tokens, "x", {8, 8}, true); }));
}

TEST(PreviewGrid, IsUpstreams) {
  const auto file = test::golden("preview");
  for (int64_t h = 1; h <= 64; ++h) {
    for (int64_t w = 1; w <= 64; ++w) {
      const Grid grid = preview_grid({h, w});
      EXPECT_EQ(json({grid.height, grid.width}), file["rows"][h - 1][w - 1]) << h << " x " << w;
    }
  }
}

TEST(LayoutTokens, MayBeObjects) {
  const TemporaryFolder folder;
  const auto file = write_bytes(folder / "layout.json",
                                R"({"grid_bos_token": {"content": "<s>"}, "grid_eos_token": "<e>",
                                                  "bos_token": "<b>", "eos_token": "<n>", "image_token": "<i>"})");
  const LayoutTokens tokens = read_layout_tokens(file);
  EXPECT_EQ(tokens.grid_begin, "<s>");
  EXPECT_EQ(tokens.grid_end, "<e>");
  EXPECT_EQ(tokens.image_begin, "<b>");
  EXPECT_EQ(tokens.image_end, "<n>");
  EXPECT_EQ(tokens.image, "<i>");
}

TEST(LayoutTokens, MissingOnesAreNamed) {
  const TemporaryFolder folder;
  const auto file = folder / "layout.json";
  for (const char* text :
       {R"({"grid_bos_token": "a", "bos_token": "b"})", R"({"grid_bos_token": "a", "grid_eos_token": 3})",
        R"({"grid_bos_token": "a", "grid_eos_token": ""})"}) {
    write_bytes(file, text);
    EXPECT_TRUE(refused(ErrorCode::model, {"grid_eos_token", file.string()}, [&] { read_layout_tokens(file); }));
  }
  write_bytes(file, "[]");
  EXPECT_TRUE(refused(ErrorCode::model, {file.string()}, [&] { read_layout_tokens(file); }));
}

}  // namespace
}  // namespace glm
