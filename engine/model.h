// A loaded checkpoint: its configuration, tokenizers and components.
#pragma once

#include <filesystem>
#include <string>

#include "engine/config.h"
#include "engine/dit.h"
#include "engine/glyph_encoder.h"
#include "engine/prior_transformer.h"
#include "engine/vae.h"
#include "tokenizer/byte_tokenizer.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

struct Model {
  // dtype: "auto", "float32" or "bfloat16"; all components compute in it. Throws Error(model), Error(usage).
  Model(const std::filesystem::path& checkpoint, const std::string& dtype);

  std::filesystem::path folder;
  ModelConfig config;
  at::ScalarType dtype;
  TextTokenizer text_tokenizer;
  LayoutTokens layout_tokens;
  ByteTokenizer byte_tokenizer;
  PriorTransformer prior;
  GlyphEncoder glyph_encoder;
  Dit dit;
  VaeDecoder vae;
};

}  // namespace glm
