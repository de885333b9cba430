// The prompt's ids, grids and positions.
#include <ATen/ATen.h>

#include "engine/components/layers/rope.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"
#include "tokenizer/prompt_layout.h"

namespace glm {
namespace {

using PromptStage = StageTest;

TEST_P(PromptStage, IdsAndGridsAreUpstreams) {
  const PromptLayout layout =
      layout_prompt(model.text_tokenizer, model.layout_tokens, golden.parameters().at("prompt").get<std::string>(),
                    grid(), false, sources());
  EXPECT_TRUE(golden.bytes_equal("ar.in.input_ids", at::tensor(layout.ids, at::kLong).unsqueeze(0)));
  const at::Tensor last = golden.tensor("ar.in.image_grid_thw")[-1];
  const Grid drawn_first = has_references() ? layout.target : layout.preview;
  EXPECT_TRUE(at::equal(last, at::tensor({int64_t{1}, drawn_first.height, drawn_first.width}, at::kLong)));
  EXPECT_EQ(layout.preview.cells() == 0, has_references());
}

TEST_P(PromptStage, PositionsAreUpstreams) {
  const at::Tensor prompt = prompt_positions(golden.tensor("ar.in.input_ids").size(1), sources());
  EXPECT_TRUE(golden.bytes_equal("ar.position_ids_prefill", prompt));
  const at::Tensor decode = grid_positions(position_after(prompt), {preview(), grid()});
  EXPECT_TRUE(golden.bytes_equal("ar.position_ids_decode",
                                 decode.slice(-1, 0, golden.tensor("ar.generated").size(1) - 1).contiguous()));
}

INSTANTIATE_TEST_SUITE_P(Upstream, PromptStage, testing::ValuesIn(float32_cases()), case_name);

}  // namespace
}  // namespace glm
