#include "engine/components/safety_checker.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "glm/error.h"
#include "kernels/attention.h"
#include "kernels/convolution.h"

namespace glm {
namespace {

// As upstream's class has them, whatever config.json says.
constexpr int64_t kConcepts = 17;
constexpr int64_t kSpecial = 3;
constexpr float kAdjustment = 0.01F;

// Upstream: torch.nn.functional.normalize
at::Tensor of_length_one(const at::Tensor& rows) {  // [n, E] -> [n, E]
  return rows / at::norm(rows, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

Weights vision_scope(const Weights& w) {
  const Weights vision = w / "vision_model";
  return vision.has("vision_model.embeddings.class_embedding") ? vision / "vision_model" : vision;
}

// Rounds a score to thousandths as upstream does, which holds it in fp32: NumPy rounds x * 1000 half to even. Returns
// the double nearest to that decimal number, never -0.
double rounded(float score) {
  const float thousandths = std::nearbyint(score * 1000.0F);
  if (!std::isfinite(thousandths)) {
    throw Error(ErrorCode::model,
                "the safety checker's scores are not finite: expected numbers, found NaN or infinity, which is no "
                "verdict; is its model.safetensors damaged? Download it again");
  }
  return static_cast<double>(thousandths) / 1000.0 + 0.0;
}

// Appends the scores of cosines, f32 [1, n]. Returns the adjustment for those that follow: with `raises` a score above
// 0 raises it.
float add_scores(const at::Tensor& cosines, const at::Tensor& thresholds, float adjustment, bool raises,
                 std::vector<double>* scores) {
  const auto cosine = cosines.cpu().contiguous();
  for (int64_t i = 0; i < thresholds.numel(); ++i) {
    const float score = cosine.const_data_ptr<float>()[i] - thresholds.const_data_ptr<float>()[i] + adjustment;
    scores->push_back(rounded(score));
    if (raises && scores->back() > 0) adjustment = kAdjustment;
  }
  return adjustment;
}

}  // namespace

ClipBlock::ClipBlock(const Weights& w, const SafetyConfig& c)
    : norm1_(w / "layer_norm1", c.dim, c.norm_eps),
      norm2_(w / "layer_norm2", c.dim, c.norm_eps),
      query_(w / "self_attn.q_proj", c.dim, c.dim, Linear::Bias::yes),
      key_(w / "self_attn.k_proj", c.dim, c.dim, Linear::Bias::yes),
      value_(w / "self_attn.v_proj", c.dim, c.dim, Linear::Bias::yes),
      output_(w / "self_attn.out_proj", c.dim, c.dim, Linear::Bias::yes),
      up_(w / "mlp.fc1", c.dim, c.inner_dim, Linear::Bias::yes),
      down_(w / "mlp.fc2", c.inner_dim, c.dim, Linear::Bias::yes),
      heads_(c.heads),
      head_dim_(c.dim / c.heads),
      quick_gelu_(c.quick_gelu) {}

at::Tensor ClipBlock::forward(const at::Tensor& x) const {
  const at::Tensor a = x + attend(norm1_.forward(x));
  const at::Tensor up = up_.forward(norm2_.forward(a));  // [P, N + 1, inner]
  return a + down_.forward(quick_gelu_ ? up * at::sigmoid(1.702 * up) : at::gelu(up, "none"));
}

at::Tensor ClipBlock::attend(const at::Tensor& x) const {
  const auto split = [&](const Linear& part) { return part.forward(x).unflatten(-1, {heads_, head_dim_}); };
  return output_.forward(
      attention(split(query_), split(key_), split(value_),
                {.scale = std::pow(static_cast<double>(head_dim_), -0.5), .causal = false, .bias = {}}));
}

ConceptChecker::ConceptChecker(const Weights& w, const SafetyConfig& c)
    : config_(c),
      class_embedding_(vision_scope(w).tensor("embeddings.class_embedding", {c.dim})),
      patch_weight_(vision_scope(w).tensor("embeddings.patch_embedding.weight", {c.dim, 3, c.patch, c.patch})),
      position_(vision_scope(w) / "embeddings.position_embedding", c.patches() + 1, c.dim),
      before_(vision_scope(w) / "pre_layrnorm", c.dim, c.norm_eps),
      after_(vision_scope(w) / "post_layernorm", c.dim, c.norm_eps),
      projection_(w / "visual_projection", c.dim, c.projection, Linear::Bias::no),
      concepts_(of_length_one(w.tensor("concept_embeds", {kConcepts, c.projection}))),
      special_(of_length_one(w.tensor("special_care_embeds", {kSpecial, c.projection}))),
      concept_thresholds_(w.tensor("concept_embeds_weights", {kConcepts}).cpu().contiguous()),
      special_thresholds_(w.tensor("special_care_embeds_weights", {kSpecial}).cpu().contiguous()) {
  const Weights vision = vision_scope(w);
  for (int64_t i = 0; i < c.layers; ++i) blocks_.emplace_back(vision / "encoder.layers" / std::to_string(i), c);
  // Older files hold the numbers 0 .. N, which nobody needs.
  if (vision.has("embeddings.position_ids")) vision.leave("embeddings");
}

at::Tensor ConceptChecker::normalized(const at::Tensor& bytes) const {
  // Upstream divides mean and deviation by the rescale factor instead of multiplying the pixels, each in fp32.
  const auto scaled = [&](const std::vector<double>& values) {
    return (at::tensor(values, at::kFloat) * (1.0 / config_.rescale)).view({1, 3, 1, 1}).to(patch_weight_.device());
  };
  return (bytes.to(patch_weight_.device(), at::kFloat) - scaled(config_.mean)) / scaled(config_.std);
}

at::Tensor ConceptChecker::pooled(const at::Tensor& pixels, const Tap& tap) const {
  const at::Tensor patches = convolve_patches(pixels, patch_weight_, {}).flatten(2).transpose(1, 2);  // [P, N, D]
  const at::Tensor first = class_embedding_.expand({pixels.size(0), 1, -1});                          // [P, 1, D]
  at::Tensor x = at::cat({first, patches}, 1) + position_.weight();                                   // [P, N + 1, D]
  tap.full("embeddings", x);
  x = before_.forward(x);
  tap.full("pre_layrnorm", x);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i].forward(x);
    tap.full("block" + std::to_string(i), x);
  }
  x = after_.forward(x.select(1, 0));
  tap.full("pooled", x);
  return x;
}

ConceptScores ConceptChecker::forward(const at::Tensor& pixels, const Tap& tap) const {
  const at::Tensor embeds = projection_.forward(pooled(pixels.to(patch_weight_.device()), tap));  // [P, E]
  tap.stage("image_embeds", embeds);
  const at::Tensor normal = of_length_one(embeds);
  const at::Tensor special = at::mm(normal, special_.t());    // [P, 3]
  const at::Tensor concepts = at::mm(normal, concepts_.t());  // [P, 17]
  tap.stage("special_cos", special);
  tap.stage("concept_cos", concepts);
  ConceptScores scores;
  const float adjustment = add_scores(special, special_thresholds_, 0, /*raises=*/true, &scores.special);
  add_scores(concepts, concept_thresholds_, adjustment, /*raises=*/false, &scores.concepts);
  for (const double score : scores.concepts) scores.flagged = scores.flagged || score > 0;
  return scores;
}

}  // namespace glm
