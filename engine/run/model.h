// A loaded checkpoint: its configuration, tokenizers and components.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/components/dit.h"
#include "engine/components/glyph_encoder.h"
#include "engine/components/image_tokenizer.h"
#include "engine/components/prior_transformer.h"
#include "engine/components/vae.h"
#include "engine/components/vision_tower.h"
#include "tokenizer/byte_tokenizer.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

class CancelToken;

// How a GPU's part of the prior is computed, and what may stop the loading.
struct ModelOptions {
  std::string prior_precision = "bf16";  // of its weights on a GPU: bf16, fp8, int8 or int4
  std::string kernels = "auto";          // our CUDA kernels: auto (where they fit and agree with ATen), off or force
  bool map_weights = false;              // the files stay mapped, as LoadOptions has it
  const CancelToken* cancel = nullptr;   // asked between the folders of the checkpoint
};

struct Model {
  // checkpoint: as CheckpointName takes it; dtype: as compute_dtype does; all components compute in it, on `device`.
  // Throws Error(model), Error(usage), and before a tensor is read Error(memory) when the weights can't fit.
  Model(const std::filesystem::path& checkpoint, const std::string& dtype, at::Device device = at::kCPU,
        const ModelOptions& options = {});

  std::filesystem::path folder;
  bool random_weights;  // then the tokenizer may be another model's, with another id for the image's beginning
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  std::vector<std::string> warnings;  // about the kernels
  TextTokenizer text_tokenizer;
  LayoutTokens layout_tokens;
  ByteTokenizer byte_tokenizer;
  PriorTransformer prior;
  VisionTower vision_tower;
  ImageTokenizer image_tokenizer;
  GlyphEncoder glyph_encoder;
  Dit dit;
  VaeEncoder vae_encoder;
  VaeDecoder vae;

  // What went from files to a GPU, and how long that took; nothing on the CPU.
  struct Uploaded {
    int64_t bytes = 0;
    double seconds = 0;
  };
  Uploaded uploaded;

 private:
  struct Loader;
  explicit Model(Loader&& loader);
  void check_ids() const;  // tokenizer and configuration mean the same
};

}  // namespace glm
