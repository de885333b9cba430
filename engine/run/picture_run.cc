#include "engine/run/picture_run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/refuse.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/components/flow_schedule.h"
#include "engine/components/layers/finite.h"
#include "engine/components/layers/tap.h"
#include "engine/device/device.h"
#include "engine/run/dump.h"
#include "engine/run/injection.h"
#include "engine/run/prior_stage.h"
#include "engine/run/settings.h"
#include "engine/run/stage_tensors.h"
#include "glm/error.h"
#include "kernels/random.h"
#include "tokenizer/glyph_text.h"

namespace glm {
namespace {

using Clock = std::chrono::steady_clock;

// Below this many weights a token takes so little that a second thread brings nothing, and on a busy machine costs much
// (nano on two loaded cores: 0.33 s a token with two threads, 0.02 s with one).
constexpr int64_t kWeightsWorthThreads = 50'000'000;

bool worth_threads(const PriorConfig& c) {
  return c.layers * c.dim * (2 * c.heads * c.head_dim + 3 * c.inner_dim) > kWeightsWorthThreads;
}

// One generate call: each stage is a function from the tensors before it, or from what was injected.
class PictureRun {
 public:
  PictureRun(const Model& model, Kept& kept, const Request& request, const Callbacks& callbacks)
      : m_(model), kept_(kept), request_(request), callbacks_(callbacks), settings_(settle(request, model.config)) {
    result_.rendered_width = settings_.rendered_width();
    result_.rendered_height = settings_.rendered_height();
    if (!request.inject.empty()) {
      injected_ = Injection(request.inject);
      injected_.check_used(request.references.size());
    }
    const Tap::Level level = request.full_taps ? Tap::Level::full : Tap::Level::stages;
    dump_ = Dump(request.dump, level);
    tap_ = with_callback(dump_.tap(), callbacks.tap, level);
  }

  // Tokens of all pictures, then picture after picture: one's arithmetic doesn't depend on who shares its run.
  Result all() {
    if (injected_.has("latents.final_scaled")) {
      for_each([&] { decode(*injected_.values("latents.final_scaled", latent_shape(), m_.dtype)); });
    } else {
      read_references();
      const std::vector<std::vector<DitBranch>> both = branches(prior_ids());
      for_each([&] { decode(denoise(both[picture_])); });
    }
    return finished();
  }

  std::vector<Tokens> tokens() {
    read_references();
    const Grid grid = settings_.grid();
    std::vector<Tokens> all;
    for (const at::Tensor& ids : prior_ids()) {
      all.push_back(tokens_of(ids, grid));
    }
    finished();
    return all;
  }

  std::vector<Latents> latents(const std::vector<Tokens>& tokens) {
    expect_count("tokens", tokens.size());
    read_references();
    std::vector<at::Tensor> ids;
    for (const Tokens& own : tokens) {
      ids.push_back(ids_of(own, settings_.grid(), m_.config.generation.codebook));
      tap_.stage("prior.ids", ids.back());
    }
    const std::vector<std::vector<DitBranch>> both = branches(ids);
    std::vector<Latents> all;
    for_each([&] {
      const at::Tensor scaled = denoise(both[picture_]);
      tap_.stage("latents.final_scaled", scaled);
      all.push_back(latents_of(scaled));
    });
    finished();
    return all;
  }

  Result pixels(const std::vector<Latents>& latents) {
    expect_count("latents", latents.size());
    for_each([&] { decode(scaled_of(latents[picture_], latent_shape()).to(m_.dtype)); });
    return finished();
  }

 private:
  Result finished() {
    dump_.write(about_run(m_, request_, settings_, result_));
    return std::move(result_);
  }

  void expect_count(const std::string& what, size_t found) const {
    if (found == request_.seeds.size()) return;
    refuse(what, "those of " + std::to_string(request_.seeds.size()) + " pictures, one for each seed",
           std::to_string(found));
  }

  std::vector<int64_t> latent_shape() const {
    const VaeConfig& c = m_.config.vae;
    return {1, c.latent_channels, settings_.rendered_height() / c.scale(), settings_.rendered_width() / c.scale()};
  }

  uint64_t seed() const { return request_.seeds[picture_]; }
  int64_t pictures() const { return static_cast<int64_t>(request_.seeds.size()); }

  template <typename Call>
  void for_each(Call call) {
    for (picture_ = 0; picture_ < request_.seeds.size(); ++picture_) {
      injected_.select(static_cast<int64_t>(picture_), pictures());
      call();
    }
    picture_ = 0;
    injected_.select(0, 1);
  }

  // Called with what is there already when a stage begins, then after each of its units: of this picture, or with
  // each = false of all.
  void done(Stage stage, int64_t count, int64_t total, bool each = true) {
    units_ = each ? static_cast<int64_t>(picture_) * total + count : count;
    if (callbacks_.progress) callbacks_.progress(stage, units_, each ? pictures() * total : total);
    if (callbacks_.cancel != nullptr && callbacks_.cancel->cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
  }

  // Several calls of one stage are added up.
  template <typename Call>
  void timed(Stage stage, Call call) {
    units_ = 0;
    const auto begin = Clock::now();
    call();
    synchronize(m_.device);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    for (Result::StageTime& known : result_.times) {
      if (known.stage != stage) continue;
      known.seconds += seconds;
      known.units = units_;
      return;
    }
    result_.times.push_back({stage, seconds, units_});
  }

  void read_references() {
    if (request_.references.empty()) return;
    timed(Stage::references, [&] {
      references_ = glm::read_references(
          m_, request_.references, kept_.references, injected_,
          [&](int64_t n, int64_t total) { done(Stage::references, n, total, /*each=*/false); }, tap_);
    });
  }

  // Of each picture i64 [1, N], one for each decoder patch.
  std::vector<at::Tensor> prior_ids() {
    const PriorStage stage(m_, request_, settings_, injected_, references_);
    std::vector<at::Tensor> ids;
    const int threads = at::get_num_threads();
    if (!worth_threads(m_.config.prior)) at::set_num_threads(1);
    timed(Stage::prior, [&] {
      const std::vector<at::Tensor> generated = generated_tokens(stage);
      for_each([&] { ids.push_back(patch_ids(stage, generated)); });
    });
    at::set_num_threads(threads);
    return ids;
  }

  // generated: of each picture, unless what comes after them is injected. -> i64 [1, N]
  at::Tensor patch_ids(const PriorStage& stage, const std::vector<at::Tensor>& generated) {
    at::Tensor ids = stage.injected_ids();
    if (!ids.defined()) {
      tap_.stage("ar.generated", generated[picture_]);
      const at::Tensor large = stage.large_grid(generated[picture_]);
      tap_.stage("prior.d32_ids.0", large);
      warn_of_collapse(large);
      ids = upsample_ids(large, settings_.grid());
    }
    tap_.stage("prior.ids", ids);
    return ids;
  }

  // A prior that was given a wrong prompt, or damaged weights, repeats a few tokens, and the decoder paints them white.
  void warn_of_collapse(const at::Tensor& ids) {
    const int64_t distinct = std::get<0>(at::_unique(ids)).numel();
    if (distinct * 50 >= ids.numel()) return;
    result_.warnings.push_back("the picture of seed " + std::to_string(seed()) + " is made of " +
                               std::to_string(distinct) + " different tokens where " + std::to_string(ids.numel()) +
                               " are drawn; it may be empty: try another seed or prompt");
  }

  // Of each picture i64 [1, n]: injected, or written together.
  std::vector<at::Tensor> generated_tokens(const PriorStage& stage) {
    std::vector<at::Tensor> generated;
    if (injected_.has("prior.ids")) return generated;
    if (injected_.has("ar.generated")) {
      for_each([&] { generated.push_back(stage.injected_tokens()); });
      return generated;
    }
    std::vector<PriorRequest> requests;
    for_each([&] { requests.push_back(stage.request(seed(), tap_)); });
    return generate_tokens(
        m_.prior, m_.config, requests, [&](int64_t n, int64_t total) { done(Stage::prior, n, total, /*each=*/false); },
        tap_ / "ar");
  }

  // Of each picture the branch with the prompt, and for guidance the one without. Quoted text is encoded once for all.
  std::vector<std::vector<DitBranch>> branches(const std::vector<at::Tensor>& ids) {
    std::vector<std::vector<DitBranch>> all;
    timed(Stage::glyphs, [&] { all = encode_branches(ids); });
    return all;
  }

  std::vector<std::vector<DitBranch>> encode_branches(const std::vector<at::Tensor>& ids) {
    const int64_t texts = settings_.guidance > 1 ? 2 : 1;
    done(Stage::glyphs, 0, texts, /*each=*/false);
    const at::Tensor prompt = glyph_embeds("glyph.prompt_embeds", texts_of(request_), 0);
    const at::Tensor empty = texts == 2 ? glyph_embeds("glyph.negative_embeds", {}, 1) : at::Tensor();
    std::vector<std::vector<DitBranch>> all;
    for (const at::Tensor& own : ids) {
      all.push_back({m_.dit.branch(prompt, own, /*drop=*/false, tap_ / "step0.cond")});
      for (const auto& reference : references_) all.back()[0].conditions.push_back(&reference->condition);
      if (texts == 2) all.back().push_back(m_.dit.branch(empty, own, /*drop=*/true, tap_ / "step0.uncond"));
    }
    done(Stage::glyphs, texts, texts, /*each=*/false);
    return all;
  }

  at::Tensor glyph_embeds(const std::string& name, const std::vector<std::string>& texts, int call) {  // -> [1, T, E]
    at::Tensor embeds;
    if (auto injected = injected_.values(name, {1, -1, m_.config.glyph.dim}, m_.dtype)) {
      embeds = *injected;
    } else {
      const GlyphIds ids = glyph_ids(m_.byte_tokenizer, texts, request_.parse_special);
      embeds = m_.glyph_encoder.forward(ids.texts, tap_ / ("glyph.call" + std::to_string(call)));
    }
    tap_.stage(name, embeds);
    return embeds;
  }

  at::Tensor denoise(const std::vector<DitBranch>& branches) {  // -> [1, C, h, w]
    at::Tensor latents;
    timed(Stage::denoise, [&] {
      if (!canvas_) canvas_.emplace(m_.dit.canvas(settings_.rendered_height(), settings_.rendered_width()));
      latents = m_.vae.scale(steps(branches));
    });
    return latents;
  }

  at::Tensor steps(const std::vector<DitBranch>& branches) {  // -> fp32 [1, C, h, w]
    const int64_t patches = 4 * settings_.grid().cells();
    const FlowSchedule schedule(m_.config.schedule, patches, settings_.steps);
    tap_.stage("sched.mu", at::tensor({schedule.mu}, at::kDouble));
    tap_.stage("sched.sigmas", at::tensor(schedule.sigmas, at::kFloat));
    tap_.stage("sched.timesteps", at::tensor(schedule.timesteps, at::kFloat));

    auto [latents, first] = first_latents();
    FiniteWatch watch;
    done(Stage::denoise, first, settings_.steps);
    for (int64_t k = first; k < settings_.steps; ++k) {
      const Tap tap = tap_ / ("step" + std::to_string(k));
      std::vector<Tap> inside(branches.size());
      if (k == 0) inside = {tap / "cond", tap / "uncond"};  // of the first step alone
      inside.resize(branches.size());
      const double timestep = schedule.timesteps[static_cast<size_t>(k)] - 1.0;
      const at::Tensor out = m_.dit.forward(latents.to(m_.dtype), branches, *canvas_, timestep, inside);
      const at::Tensor v = guide(out, tap);
      tap.stage("noise_pred", v);
      latents = schedule.step(latents, v, k);
      tap.stage("latents", latents);
      watch.see(latents);
      show_preview(k + 1, latents, v, schedule.sigmas[static_cast<size_t>(k) + 1]);
      done(Stage::denoise, k + 1, settings_.steps);
    }
    watch.check("decoder's latents");
    return latents;
  }

  // The latents are the picture's and sigma parts of noise, and v is noise minus picture.
  void show_preview(int64_t step, const at::Tensor& latents, const at::Tensor& v, float sigma) {
    if (!callbacks_.preview || step % callbacks_.preview_every != 0 || step == settings_.steps) return;
    if (!kept_.preview) kept_.preview.emplace(m_.vae_encoder, m_.vae, m_.config.vae);
    callbacks_.preview(
        {.seed = seed(), .step = step, .image = kept_.preview->image(m_.vae.scale(latents - sigma * v))});
  }

  // Latents to start with, and the step to start at.
  std::pair<at::Tensor, int64_t> first_latents() {
    const std::vector<int64_t> shape = latent_shape();
    if (const int64_t k = injected_.last_step(); k >= 0) {
      if (k >= settings_.steps) {
        refuse("can't inject step" + std::to_string(k) + ".latents",
               "one of the " + std::to_string(settings_.steps) + " steps asked for", "a later one");
      }
      return {injected_.values("step" + std::to_string(k) + ".latents", shape, at::kFloat)->to(m_.device), k + 1};
    }
    const auto injected = injected_.values("latents.init", shape, m_.dtype);
    // Drawn in the model's dtype from a stream of its own, as upstream does.
    const at::Tensor latents = injected ? *injected : RandomNumbers::of(request_.rng, seed()).normal(shape, m_.dtype);
    tap_.stage("latents.init", latents);
    return {latents.to(m_.device), 0};
  }

  // Upstream: both branches to fp32, then noise_pred_uncond + guidance_scale * (noise_pred_cond - noise_pred_uncond)
  at::Tensor guide(const at::Tensor& out, const Tap& tap) const {  // [1 or 2, C, h, w] -> fp32 [1, C, h, w]
    const at::Tensor cond = out.slice(0, 0, 1);
    tap.stage("cond.out", cond);
    if (out.size(0) == 1) return cond.to(at::kFloat);
    const at::Tensor uncond = out.slice(0, 1, 2);
    tap.stage("uncond.out", uncond);
    return uncond.to(at::kFloat) + settings_.guidance * (cond.to(at::kFloat) - uncond.to(at::kFloat));
  }

  void decode(const at::Tensor& scaled) {  // [1, C, h, w]
    Picture picture;
    timed(Stage::decode, [&] { picture = {seed(), decoded(scaled)}; });
    if (callbacks_.picture) {
      callbacks_.picture(std::move(picture));
    } else {
      result_.pictures.push_back(std::move(picture));
    }
    done(Stage::decode, 1, 1);
  }

  Image decoded(const at::Tensor& scaled) {  // [1, C, h, w]
    done(Stage::decode, 0, 1);
    tap_.stage("latents.final_scaled", scaled);
    const at::Tensor pixels = m_.vae.decode(scaled);
    tap_.stage("vae.decoded", pixels);
    FiniteWatch watch;
    watch.see(pixels);
    watch.check("picture's pixels");
    const at::Tensor bytes =  // u8 [1, H, W, 3], what was asked of what was rendered
        pixels_to_bytes(pixels).slice(1, 0, settings_.height).slice(2, 0, settings_.width).cpu().contiguous();
    tap_.stage("image", bytes);
    const auto* data = bytes.const_data_ptr<uint8_t>();
    units_ = static_cast<int64_t>(picture_) + 1;
    return {settings_.width, settings_.height, {data, data + bytes.numel()}};
  }

  const Model& m_;
  Kept& kept_;
  const Request& request_;
  const Callbacks& callbacks_;
  Settings settings_;
  Injection injected_;
  Dump dump_;
  Tap tap_;
  std::vector<std::shared_ptr<const Reference>> references_;
  std::optional<DitCanvas> canvas_;  // the same for all pictures
  Result result_;
  size_t picture_ = 0;  // whose turn it is
  int64_t units_ = 0;
};

}  // namespace

Result run_picture(const Model& model, Kept& kept, const Request& request, const Callbacks& callbacks) {
  return PictureRun(model, kept, request, callbacks).all();
}
std::vector<Tokens> run_tokens(const Model& model, Kept& kept, const Request& request, const Callbacks& callbacks) {
  return PictureRun(model, kept, request, callbacks).tokens();
}
std::vector<Latents> run_latents(const Model& model, Kept& kept, const Request& request,
                                 const std::vector<Tokens>& tokens, const Callbacks& callbacks) {
  return PictureRun(model, kept, request, callbacks).latents(tokens);
}
Result run_pixels(const Model& model, Kept& kept, const Request& request, const std::vector<Latents>& latents,
                  const Callbacks& callbacks) {
  return PictureRun(model, kept, request, callbacks).pixels(latents);
}

}  // namespace glm
