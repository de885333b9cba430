// Quoted text to glyph embeddings.
#include "engine/components/glyph_encoder.h"

#include <ATen/ATen.h>

#include "tests/engine/cases.h"
#include "tokenizer/glyph_text.h"

namespace glm {
namespace {

using GlyphStage = StageTest;

TEST_P(GlyphStage, IdsMasksAndEmbeddingsAreUpstreams) {
  const std::string prompt = golden.parameters().at("prompt");
  const auto embed = [&](const std::string& text, int call) {
    return model.glyph_encoder.forward(glyph_ids(model.byte_tokenizer, text, false).texts,
                                       tap() / ("glyph.call" + std::to_string(call)));
  };
  EXPECT_TRUE(golden.matches("glyph.prompt_embeds", embed(prompt, 0), tolerance::kStage));
  EXPECT_TRUE(golden.bytes_equal("glyph.call0.ids", seen.at("glyph.call0.ids")));
  EXPECT_TRUE(golden.bytes_equal("glyph.call0.mask", seen.at("glyph.call0.mask")));
  if (golden.parameters().at("cfg").get<double>() > 1) {
    EXPECT_TRUE(golden.matches("glyph.negative_embeds", embed("", 1), tolerance::kStage));
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, GlyphStage, testing::ValuesIn(float32_cases()), case_name);

}  // namespace
}  // namespace glm
