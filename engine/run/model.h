// A loaded checkpoint: its configuration, tokenizers and components.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/weights.h"
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

// How the weights are kept and the prior computed, and what may stop the loading.
struct ModelOptions {
  std::string precision = {};           // of LoadOptions
  std::string kernels = "auto";         // our CUDA kernels: auto (where they fit and agree with ATen), off or force
  std::string look_ahead = "auto";      // how many tokens are written at once: auto, off, or a number from 1 to 16
  bool map_weights = false;             // the files stay mapped, as LoadOptions says
  const CancelToken* cancel = nullptr;  // asked before each component is loaded
  // Kernels for the diffusion transformer and the VAE; tests give the bodies of ours. If it is null, our CUDA kernels
  // are taken where `kernels` is force, and ATen otherwise, because nobody has measured ours yet.
  const cuda::Library* decoder = nullptr;
};

struct Model {
  // Loads a checkpoint. checkpoint: a name as CheckpointName takes it; dtype: a name as compute_dtype() takes it. All
  // components compute in that type, on `device`. Throws Error(model), Error(usage), Error(device), Error(cancelled),
  // and Error(memory) before a tensor is read when the weights can't fit.
  Model(const std::filesystem::path& checkpoint, const std::string& dtype, at::Device device = at::kCPU,
        const ModelOptions& options = {});

  // Throws Error(model) when a file that weights are mapped from has changed since it was loaded.
  void check_mapped_files() const;

  std::filesystem::path folder;
  bool random_weights;  // then the tokenizer may be another model's, with other ids for the layout's tokens
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  int64_t look_ahead;                 // rows of a picture in a pass of the prior; 0: what turns out to be fastest
  std::vector<std::string> warnings;  // about the kernels and the checkpoint's files
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

  // What was copied from files to a GPU, and how long that took; zeros on the CPU.
  struct Uploaded {
    int64_t bytes = 0;
    double seconds = 0;
  };
  Uploaded uploaded;
  std::vector<Weights> mapped;  // weights that lie in the checkpoint's files

 private:
  struct Loader;
  explicit Model(Loader&& loader);
  void check_ids() const;  // throws Error(model) unless the tokenizer and config.json agree about ids
};

}  // namespace glm
