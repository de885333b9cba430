// The network that says how near a picture is to concepts that aren't safe: a CLIP vision model, and fixed embeddings
// of the concepts. Everything is computed in fp32.
// Upstream: diffusers StableDiffusionSafetyChecker, its forward(), over transformers modeling_clip.py, CLIPVisionModel
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/checkpoint/safety_config.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/embedding.h"
#include "engine/components/layers/linear.h"
#include "engine/components/layers/norms.h"
#include "engine/components/layers/tap.h"

namespace glm {

// Upstream: CLIPEncoderLayer, CLIPAttention, CLIPMLP
class ClipBlock {
 public:
  ClipBlock(const Weights& w, const SafetyConfig& c);
  at::Tensor forward(const at::Tensor& x) const;  // [P, N + 1, D] -> [P, N + 1, D]

 private:
  at::Tensor attend(const at::Tensor& x) const;  // [P, N + 1, D] -> [P, N + 1, D]

  LayerNorm norm1_, norm2_;
  Linear query_, key_, value_, output_;
  Linear up_, down_;
  int64_t heads_, head_dim_;
  bool quick_gelu_;
};

// What the checker says of a picture. Each score is a cosine less the concept's threshold, in thousandths.
struct ConceptScores {
  std::vector<double> concepts;  // [17]
  std::vector<double> special;   // [3], of the special-care concepts: one above 0 adds 0.01 to all scores after it
  bool flagged = false;          // a concept's score is above 0
};

class ConceptChecker {
 public:
  // Both spellings of the vision model's names are read: older files have its prefix twice.
  ConceptChecker(const Weights& w, const SafetyConfig& c);

  // Returns bytes as the vision model takes them: times the rescale factor, less the mean, over the deviation.
  // u8 [1, 3, H, W] from any device -> fp32 [1, 3, H, W]
  // Upstream: TorchvisionBackend.rescale_and_normalize
  at::Tensor normalized(const at::Tensor& bytes) const;

  // Returns the scores of normalised pixels. Throws Error(model) when a number isn't finite, because nothing can be
  // said then. Taps: embeddings, pre_layrnorm, block{i}, pooled, image_embeds, special_cos, concept_cos.
  ConceptScores forward(const at::Tensor& pixels, const Tap& tap) const;  // [1, 3, H, W]

 private:
  at::Tensor pooled(const at::Tensor& pixels, const Tap& tap) const;  // [P, 3, H, W] -> [P, D]

  SafetyConfig config_;
  at::Tensor class_embedding_;  // [D]
  at::Tensor patch_weight_;     // [D, 3, p, p]
  Embedding position_;          // N + 1 rows, the class embedding's first
  LayerNorm before_, after_;
  std::vector<ClipBlock> blocks_;
  Linear projection_;
  at::Tensor concepts_;            // [17, E], each of length 1
  at::Tensor special_;             // [3, E], likewise
  at::Tensor concept_thresholds_;  // [17], on the CPU
  at::Tensor special_thresholds_;  // [3], on the CPU
};

}  // namespace glm
