#include "engine/picture_run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/device.h"
#include "engine/dump.h"
#include "engine/finite.h"
#include "engine/flow_schedule.h"
#include "engine/injection.h"
#include "engine/prior.h"
#include "engine/random.h"
#include "engine/safetensors.h"
#include "engine/settings.h"
#include "engine/tap.h"
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
  PictureRun(const Model& model, ReferenceStore& store, const Request& request, const Callbacks& callbacks)
      : m_(model),
        store_(store),
        request_(request),
        callbacks_(callbacks),
        settings_(settle(request, model.config.picture)) {
    result_.rendered_width = settings_.rendered_width();
    result_.rendered_height = settings_.rendered_height();
    if (!request.inject.empty()) {
      injected_ = Injection(request.inject);
      check_injected();
    }
    if (!request.dump.empty()) dump_ = Dump(request.dump, request.dump_full ? Tap::Level::full : Tap::Level::stages);
    tap_ = dump_.tap();
  }

  // Stage after stage, in each picture after picture: a picture's arithmetic doesn't depend on who shares its run.
  Result run() {
    std::vector<at::Tensor> scaled;  // of each picture [1, C, h, w]
    if (injected_.has("latents.final_scaled")) {
      for_each([&] { scaled.push_back(*injected_.values("latents.final_scaled", latent_shape(), m_.dtype)); });
    } else {
      if (!request_.references.empty()) timed(Stage::references, [&] { read_references(); });
      std::vector<at::Tensor> ids;
      const int threads = at::get_num_threads();
      if (!worth_threads(m_.config.prior)) at::set_num_threads(1);
      timed(Stage::prior, [&] {
        const std::vector<at::Tensor> generated = generated_tokens();
        for_each([&] { ids.push_back(prior_ids(generated)); });
      });
      at::set_num_threads(threads);
      std::vector<std::vector<DitBranch>> both;
      timed(Stage::glyphs, [&] { both = branches(ids); });
      timed(Stage::denoise, [&] {
        const DitCanvas canvas = m_.dit.canvas(settings_.rendered_height(), settings_.rendered_width());
        for_each([&] { scaled.push_back(m_.vae.scale(denoise(both[picture_], canvas))); });
      });
    }
    timed(Stage::decode, [&] { for_each([&] { decode(scaled[picture_]); }); });
    write_dump();
    return std::move(result_);
  }

 private:
  // A file without a single tensor that is used is a mistake, of a name for one.
  void check_injected() const {
    std::string names;
    std::vector<std::string> known = {"ar.in.input_ids",     "ar.generated",          "prior.ids",
                                      "glyph.prompt_embeds", "glyph.negative_embeds", "latents.init",
                                      "latents.final_scaled"};
    if (!request_.references.empty()) known.push_back("prior.source0.ids");
    for (size_t i = 0; i < request_.references.size(); ++i) known.push_back("vae.cond" + std::to_string(i) + ".mean");
    for (const std::string& name : known) {
      if (injected_.has(name)) return;
      names += name + ", ";
    }
    if (injected_.last_step() >= 0) return;
    throw Error(ErrorCode::usage, "can't inject " + request_.inject.string() + ": expected one of the tensors " +
                                      names + "step{k}.latents, found none of them");
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
    if (callbacks_.cancelled && callbacks_.cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
  }

  template <typename Call>
  void timed(Stage stage, Call call) {
    units_ = 0;
    const auto begin = Clock::now();
    call();
    synchronize(m_.device);
    result_.times.push_back({stage, std::chrono::duration<double>(Clock::now() - begin).count(), units_});
  }

  void read_references() {
    references_ = glm::read_references(
        m_, request_.references, store_, injected_,
        [&](int64_t n, int64_t total) { done(Stage::references, n, total, /*each=*/false); }, tap_);
  }

  // With references the picture's grid is the only one.
  Grid preview() const { return references_.empty() ? preview_grid(settings_.grid()) : Grid{0, 0}; }

  std::vector<Grid> sources() const {
    std::vector<Grid> grids;
    for (const auto& reference : references_) grids.push_back(reference->grid);
    return grids;
  }

  // generated: of each picture, unless what comes after them is injected.
  at::Tensor prior_ids(const std::vector<at::Tensor>& generated) {  // -> i64 [1, N], one for each decoder patch
    const Grid grid = settings_.grid();
    const int64_t codebook = m_.config.generation.codebook;
    at::Tensor ids;
    if (auto injected = injected_.ids("prior.ids", {1, 4 * grid.cells()}, codebook)) {
      ids = *injected;
    } else {
      tap_.stage("ar.generated", generated[picture_]);
      const at::Tensor large = large_grid(generated[picture_], preview(), grid, codebook);
      tap_.stage("prior.d32_ids.0", large);
      warn_of_collapse(large);
      ids = upsample_ids(large, grid);
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
  std::vector<at::Tensor> generated_tokens() {
    std::vector<at::Tensor> generated;
    if (injected_.has("prior.ids")) return generated;
    if (injected_.has("ar.generated")) {
      for_each([&] { generated.push_back(injected_tokens()); });
      return generated;
    }
    std::vector<PriorRequest> requests;
    for_each([&] { requests.push_back(prior_request()); });
    return generate_tokens(
        m_.prior, m_.config, requests, [&](int64_t n, int64_t total) { done(Stage::prior, n, total, /*each=*/false); },
        tap_ / "ar");
  }

  at::Tensor injected_tokens() const {  // -> i64 [1, n]
    at::Tensor injected = *injected_.ids("ar.generated", {1, -1}, m_.config.prior.vocab);
    const int64_t first = preview().cells();
    const int64_t cells = first + settings_.grid().cells();
    const int64_t codebook = m_.config.generation.codebook;
    if (injected.size(1) < cells || injected.slice(1, first, cells).max().item<int64_t>() >= codebook) {
      throw Error(ErrorCode::usage, "can't inject ar.generated: expected at least " + std::to_string(cells) +
                                        " image tokens with ids below " + std::to_string(codebook) +
                                        ", found fewer or others; inject a dump of the same size");
    }
    return injected;
  }

  at::Tensor prompt_ids(Grid grid) const {  // -> i64 [1, L]
    if (auto injected = injected_.ids("ar.in.input_ids", {1, -1}, m_.config.prior.vocab)) return *injected;
    PromptLayout layout =
        layout_prompt(m_.text_tokenizer, m_.layout_tokens, request_.prompt, grid, request_.parse_special, sources());
    if (m_.random_weights) layout.ids.back() = m_.config.generation.image_begin;
    at::Tensor ids = at::tensor(layout.ids, at::kLong).unsqueeze(0);
    if (ids.max().item<int64_t>() >= m_.config.prior.vocab) {
      throw Error(ErrorCode::model, (m_.folder / "processor/tokenizer.json").string() +
                                        ": expected ids below vocab_size (" + std::to_string(m_.config.prior.vocab) +
                                        "), found " + std::to_string(ids.max().item<int64_t>()));
    }
    return ids;
  }

  PriorRequest prior_request() const {
    const Grid grid = settings_.grid();
    const at::Tensor ids = prompt_ids(grid);
    tap_.stage("ar.in.input_ids", ids);
    std::vector<Grid> grids = sources();
    grids.push_back(grid);
    if (references_.empty()) grids.push_back(preview());
    std::vector<int64_t> flat;
    for (const Grid& g : grids) flat.insert(flat.end(), {1, g.height, g.width});
    tap_.stage("ar.in.image_grid_thw", at::tensor(flat, at::kLong).view({-1, 3}));
    const GenerationConfig& g = m_.config.generation;
    return {.ids = place_tokens(ids, references_, m_),
            .preview = preview(),
            .target = grid,
            .sources = sources(),
            .sampling = {.temperature = g.temperature, .top_p = g.top_p, .top_k = g.top_k, .greedy = request_.greedy},
            .allow_early_stop = request_.allow_early_stop,
            .rng = request_.rng,
            .seed = seed()};
  }

  // Of each picture the branch with the prompt, and for guidance the one without. Quoted text is encoded once for all.
  std::vector<std::vector<DitBranch>> branches(const std::vector<at::Tensor>& ids) {
    const int64_t texts = settings_.guidance > 1 ? 2 : 1;
    done(Stage::glyphs, 0, texts, /*each=*/false);
    const at::Tensor prompt = glyph_embeds("glyph.prompt_embeds", request_.prompt, 0);
    const at::Tensor empty = texts == 2 ? glyph_embeds("glyph.negative_embeds", "", 1) : at::Tensor();
    std::vector<std::vector<DitBranch>> all;
    for (const at::Tensor& own : ids) {
      all.push_back({m_.dit.branch(prompt, own, /*drop=*/false, tap_ / "step0.cond")});
      for (const auto& reference : references_) all.back()[0].conditions.push_back(&reference->condition);
      if (texts == 2) all.back().push_back(m_.dit.branch(empty, own, /*drop=*/true, tap_ / "step0.uncond"));
    }
    done(Stage::glyphs, texts, texts, /*each=*/false);
    return all;
  }

  at::Tensor glyph_embeds(const std::string& name, const std::string& prompt, int call) {  // -> [1, T, E]
    at::Tensor embeds;
    if (auto injected = injected_.values(name, {1, -1, m_.config.glyph.dim}, m_.dtype)) {
      embeds = *injected;
    } else {
      const GlyphIds ids = glyph_ids(m_.byte_tokenizer, prompt, request_.parse_special);
      embeds = m_.glyph_encoder.forward(ids.texts, tap_ / ("glyph.call" + std::to_string(call)));
    }
    tap_.stage(name, embeds);
    return embeds;
  }

  at::Tensor denoise(const std::vector<DitBranch>& branches, const DitCanvas& canvas) {  // -> [1, C, h, w]
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
      const at::Tensor out = m_.dit.forward(latents.to(m_.dtype), branches, canvas, timestep, inside);
      const at::Tensor v = guide(out, tap);
      tap.stage("noise_pred", v);
      latents = schedule.step(latents, v, k);
      tap.stage("latents", latents);
      watch.see(latents);
      done(Stage::denoise, k + 1, settings_.steps);
    }
    watch.check("decoder's latents");
    return latents;
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
    result_.pictures.push_back({seed(), {settings_.width, settings_.height, {data, data + bytes.numel()}}});
    done(Stage::decode, 1, 1);
  }

  void write_dump() const {
    nlohmann::json meta = {{"prompt", request_.prompt},
                           {"width", settings_.width},
                           {"height", settings_.height},
                           {"steps", settings_.steps},
                           {"guidance", settings_.guidance},
                           {"seeds", request_.seeds},
                           {"greedy", request_.greedy},
                           {"rng", request_.rng == Rng::cuda ? "cuda" : "cpu"},
                           {"parse_special", request_.parse_special},
                           {"references", request_.references.size()},
                           {"model", std::filesystem::absolute(m_.folder).filename().string()},
                           {"dtype", dtype_name(m_.dtype)},
                           {"version", GLM_VERSION}};
    for (const Result::StageTime& t : result_.times) meta["seconds"][stage_name(t.stage)] = t.seconds;
    dump_.write(meta.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  const Model& m_;
  ReferenceStore& store_;
  const Request& request_;
  const Callbacks& callbacks_;
  Settings settings_;
  Injection injected_;
  Dump dump_;
  Tap tap_;
  std::vector<std::shared_ptr<const Reference>> references_;
  Result result_;
  size_t picture_ = 0;  // whose turn it is
  int64_t units_ = 0;
};

}  // namespace

Result run_picture(const Model& model, ReferenceStore& store, const Request& request, const Callbacks& callbacks) {
  return PictureRun(model, store, request, callbacks).run();
}

}  // namespace glm
