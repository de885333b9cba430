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
  // checkpoint: a folder, or "random:FOLDER" for random weights in the shapes that the folder's json files imply.
  // dtype: "auto", "float32" or "bfloat16"; all components compute in it, on `device`. Throws Error(model),
  // Error(usage).
  Model(const std::filesystem::path& checkpoint, const std::string& dtype, at::Device device = at::kCPU);

  std::filesystem::path folder;
  bool random_weights;  // then the tokenizer may be another model's, with another id for the image's beginning
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  TextTokenizer text_tokenizer;
  LayoutTokens layout_tokens;
  ByteTokenizer byte_tokenizer;
  PriorTransformer prior;
  GlyphEncoder glyph_encoder;
  Dit dit;
  VaeDecoder vae;

  // What went from files to a GPU, and how long that took; nothing on the CPU.
  struct Uploaded {
    int64_t bytes = 0;
    double seconds = 0;
  };
  Uploaded uploaded;

 private:
  struct Loader;
  explicit Model(const Loader& loader);
};

}  // namespace glm
