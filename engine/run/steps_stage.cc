#include "engine/run/steps_stage.h"

#include <ATen/ATen.h>

#include "base/refuse.h"
#include "engine/components/layers/finite.h"
#include "kernels/random.h"
#include "tokenizer/glyph_text.h"

namespace glm {
namespace {

constexpr const char* kPrompt = "glyph.prompt_embeds";
constexpr const char* kEmpty = "glyph.negative_embeds";

std::string step_name(int64_t k) {
  return "step" + std::to_string(k) + ".latents";
}

}  // namespace

void StepsStage::check_glyphs(const Injection& injected) const {
  for (const char* name : {kPrompt, kEmpty}) injected.check_values(name, {1, -1, c_.model.config.glyph.dim});
}

void StepsStage::check(const PictureJob& job) const {
  const std::vector<int64_t> shape = c_.model.config.latent_shape(c_.settings.grid());
  const int64_t k = job.injected.last_step();
  if (k >= c_.settings.steps) {
    refuse("can't inject " + step_name(k), "one of the " + std::to_string(c_.settings.steps) + " steps asked for",
           "a later one");
  }
  job.injected.check_values(k >= 0 ? step_name(k) : "latents.init", shape);
}

void StepsStage::encode_glyphs(const Injection& injected) {
  c_.progress.timed(Stage::glyphs, [&] {
    const int64_t texts = c_.settings.guidance > 1 ? 2 : 1;
    c_.progress.tell(Stage::glyphs, 0, texts);
    prompt_ = embeds(kPrompt, quoted_texts(c_.request), 0, injected);
    if (texts == 2) empty_ = embeds(kEmpty, {}, 1, injected);
    c_.progress.tell(Stage::glyphs, texts, texts);
  });
}

at::Tensor StepsStage::embeds(const std::string& name, const std::vector<std::string>& texts, int call,
                              const Injection& injected) const {
  const Model& m = c_.model;
  at::Tensor embeds;
  if (auto known = injected.values(name, {1, -1, m.config.glyph.dim}, m.dtype)) {
    embeds = *known;
  } else {
    const GlyphIds ids = glyph_ids(m.byte_tokenizer, texts, c_.request.parse_special);
    embeds = m.glyph_encoder.forward(ids.texts, c_.tap / ("glyph.call" + std::to_string(call)));
  }
  c_.tap.stage(name, embeds);
  return embeds;
}

std::vector<DitBranch> StepsStage::branches(const at::Tensor& ids,
                                            const std::vector<std::shared_ptr<const Reference>>& references) const {
  const Dit& dit = c_.model.dit;
  std::vector<DitBranch> all = {dit.branch(prompt_, ids, /*drop=*/false, c_.tap / "step0.cond")};
  for (const auto& reference : references) all[0].conditions.push_back(&reference->condition);
  if (empty_.defined()) all.push_back(dit.branch(empty_, ids, /*drop=*/true, c_.tap / "step0.uncond"));
  return all;
}

at::Tensor StepsStage::latents(const PictureJob& job, const at::Tensor& ids,
                               const std::vector<std::shared_ptr<const Reference>>& references) {
  at::Tensor latents;
  c_.progress.timed(Stage::steps, [&] {
    if (!canvas_) canvas_.emplace(c_.model.dit.canvas(c_.settings.geometry));
    latents = c_.model.vae.denormalize(steps(job, branches(ids, references)));
  });
  return latents;
}

at::Tensor StepsStage::steps(const PictureJob& job, const std::vector<DitBranch>& branches) const {
  const Model& m = c_.model;
  const FlowSchedule schedule(m.config.schedule, c_.settings.geometry.patches.cells(), c_.settings.steps);
  c_.tap.stage("sched.mu", at::tensor({schedule.mu}, at::kDouble));
  c_.tap.stage("sched.sigmas", at::tensor(schedule.sigmas, at::kFloat));
  c_.tap.stage("sched.timesteps", at::tensor(schedule.timesteps, at::kFloat));

  auto [latents, first] = first_latents(job);
  FiniteWatch watch;
  c_.progress.tell_of(job.index, Stage::steps, first, c_.settings.steps);
  for (int64_t k = first; k < c_.settings.steps; ++k) {
    const Tap tap = c_.tap / ("step" + std::to_string(k));
    std::vector<Tap> inside(branches.size());
    if (k == 0) inside = {tap / "cond", tap / "uncond"};  // tensors inside the DiT are tapped in the first step alone
    inside.resize(branches.size());
    const double timestep = schedule.timesteps[static_cast<size_t>(k)] - 1.0;
    const at::Tensor out = m.dit.forward(latents.to(m.dtype), branches, *canvas_, timestep, inside);
    const at::Tensor v = guide(out, tap);
    tap.stage("noise_pred", v);
    latents = schedule.step(latents, v, k);
    tap.stage("latents", latents);
    watch.see(latents);
    show_preview(job, k + 1, latents, v, schedule.sigmas[static_cast<size_t>(k) + 1]);
    c_.progress.tell_of(job.index, Stage::steps, k + 1, c_.settings.steps);
  }
  watch.check("DiT's latents");
  return latents;
}

// The latents are the picture plus sigma * v. So latents - sigma * v is the picture that the DiT expects now.
void StepsStage::show_preview(const PictureJob& job, int64_t step, const at::Tensor& latents, const at::Tensor& v,
                              float sigma) const {
  if (!callbacks_.preview || step % callbacks_.preview_every != 0 || step == c_.settings.steps) return;
  const Model& m = c_.model;
  if (!preview_) preview_.emplace(m.vae_encoder, m.vae, m.config.vae);
  callbacks_.preview(
      {.seed = job.seed, .step = step, .image = preview_->image(m.vae.denormalize(latents - sigma * v))});
}

std::pair<at::Tensor, int64_t> StepsStage::first_latents(const PictureJob& job) const {
  const Model& m = c_.model;
  const std::vector<int64_t> shape = m.config.latent_shape(c_.settings.grid());
  if (const int64_t k = job.injected.last_step(); k >= 0) {
    return {job.injected.values(step_name(k), shape, at::kFloat)->to(m.device), k + 1};
  }
  const auto injected = job.injected.values("latents.init", shape, m.dtype);
  // As in upstream the noise is drawn in the model's dtype, and from another stream than the tokens.
  const at::Tensor latents = injected ? *injected : RandomNumbers::of(c_.request.rng, job.seed).normal(shape, m.dtype);
  c_.tap.stage("latents.init", latents);
  return {latents.to(m.device), 0};
}

// Upstream: both branches to fp32, then noise_pred_uncond + guidance_scale * (noise_pred_cond - noise_pred_uncond)
at::Tensor StepsStage::guide(const at::Tensor& out, const Tap& tap) const {
  const at::Tensor cond = out.slice(0, 0, 1);
  tap.stage("cond.out", cond);
  if (out.size(0) == 1) return cond.to(at::kFloat);
  const at::Tensor uncond = out.slice(0, 1, 2);
  tap.stage("uncond.out", uncond);
  return uncond.to(at::kFloat) + c_.settings.guidance * (cond.to(at::kFloat) - uncond.to(at::kFloat));
}

}  // namespace glm
