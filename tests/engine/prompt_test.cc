// Room 1: the prompt's ids, grids and positions.
#include <ATen/ATen.h>

#include "engine/rope.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"
#include "tokenizer/prompt_layout.h"

namespace glm {
namespace {

using PromptStage = StageTest;

TEST_P(PromptStage, IdsAndGridsAreUpstreams) {
  const PromptLayout layout = layout_prompt(model.text_tokenizer, model.layout_tokens,
                                            golden.parameters().at("prompt").get<std::string>(), grid(), false);
  EXPECT_TRUE(golden.bytes_equal("ar.in.input_ids", at::tensor(layout.ids, at::kLong).unsqueeze(0)));
  const at::Tensor grids = at::tensor(
      {int64_t{1}, layout.target.height, layout.target.width, int64_t{1}, layout.preview.height, layout.preview.width},
      at::kLong);
  EXPECT_TRUE(golden.bytes_equal("ar.in.image_grid_thw", grids.view({2, 3})));
}

TEST_P(PromptStage, PositionsAreUpstreams) {
  const int64_t length = golden.tensor("ar.in.input_ids").size(1);
  EXPECT_TRUE(golden.bytes_equal("ar.position_ids_prefill", prompt_positions(length)));
  const at::Tensor decode = grid_positions(length, {preview_grid(grid()), grid()});
  EXPECT_TRUE(golden.bytes_equal("ar.position_ids_decode",
                                 decode.slice(-1, 0, golden.tensor("ar.generated").size(1) - 1).contiguous()));
}

INSTANTIATE_TEST_SUITE_P(Upstream, PromptStage, testing::ValuesIn(float32_cases()), case_name);

}  // namespace
}  // namespace glm
