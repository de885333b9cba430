#include "engine/picture_run.h"

#include <ATen/ATen.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/flow_schedule.h"
#include "engine/injection.h"
#include "engine/prior.h"
#include "engine/random.h"
#include "engine/safetensors.h"
#include "engine/tap.h"
#include "tokenizer/glyph_text.h"

namespace glm {
namespace {

constexpr int64_t kCell = 32;  // pixels a side of an image token: two decoder patches of 16 (config.cc checks that)
constexpr int64_t kMinSize = 128;
constexpr int64_t kMaxSize = 2048;

using Clock = std::chrono::steady_clock;

// A request with its defaults filled in and checked.
struct Settings {
  int64_t width, height, steps;
  double guidance;
  Grid grid() const { return {height / kCell, width / kCell}; }
};

Settings settle(const Request& r, const PictureDefaults& d) {
  const Settings s{r.width.value_or(d.width), r.height.value_or(d.height), r.steps.value_or(d.steps),
                   r.guidance.value_or(d.guidance)};
  for (const int64_t side : {s.width, s.height}) {
    if (side < kMinSize || side > kMaxSize || side % kCell != 0) {
      throw Error(ErrorCode::usage, "size: expected multiples of 32 from 128 to 2048, found " +
                                        std::to_string(s.width) + "x" + std::to_string(s.height));
    }
  }
  if (s.steps < 1 || s.steps > 1000)
    throw Error(ErrorCode::usage, "steps: expected 1 to 1000, found " + std::to_string(s.steps));
  if (!(s.guidance >= 0 && s.guidance <= 1000)) {
    throw Error(ErrorCode::usage, "guidance: expected a number from 0 to 1000, found " + std::to_string(s.guidance));
  }
  return s;
}

// One generate call: each stage is a function from the tensors before it, or from what was injected.
class PictureRun {
 public:
  PictureRun(const Model& model, const Request& request, const Callbacks& callbacks)
      : m_(model), request_(request), callbacks_(callbacks), settings_(settle(request, model.config.picture)) {
    result_.seed = request.seed;
    if (!request.inject.empty()) {
      injected_ = Injection(request.inject);
      check_injected();
    }
    if (!request.dump.empty()) {
      const auto keep = [this](const std::string& name, const at::Tensor& value) {
        dump_.insert_or_assign(name, value.contiguous().clone());
      };
      tap_ = Tap(keep, request.dump_full ? Tap::Level::full : Tap::Level::stages);
    }
  }

  Result run() {
    at::Tensor scaled;  // [1, C, h, w]
    const std::vector<int64_t> shape = latent_shape();
    if (auto injected = injected_.values("latents.final_scaled", shape, m_.dtype)) {
      scaled = *injected;
    } else {
      const at::Tensor ids = timed(Stage::prior, [&] { return prior_ids(); });
      const std::vector<DitBranch> both = timed(Stage::glyphs, [&] { return branches(ids); });
      scaled = timed(Stage::denoise, [&] { return m_.vae.scale(denoise(both, shape)); });
    }
    tap_.stage("latents.final_scaled", scaled);
    const at::Tensor bytes = timed(Stage::decode, [&] { return decode(scaled); });  // u8 [1, H, W, 3]
    write_dump();
    result_.image = {bytes.size(2),
                     bytes.size(1),
                     {bytes.const_data_ptr<uint8_t>(), bytes.const_data_ptr<uint8_t>() + bytes.numel()}};
    return std::move(result_);
  }

 private:
  // A file without a single tensor that is used is a mistake, of a name for one.
  void check_injected() const {
    std::string names;
    for (const char* name : {"ar.in.input_ids", "ar.generated", "prior.ids", "glyph.prompt_embeds",
                             "glyph.negative_embeds", "latents.init", "latents.final_scaled"}) {
      if (injected_.has(name)) return;
      names += std::string(name) + ", ";
    }
    if (injected_.last_step() >= 0) return;
    throw Error(ErrorCode::usage, "can't inject " + request_.inject.string() + ": expected one of the tensors " +
                                      names + "step{k}.latents, found none of them");
  }

  std::vector<int64_t> latent_shape() const {
    const VaeConfig& c = m_.config.vae;
    return {1, c.latent_channels, settings_.height / c.scale(), settings_.width / c.scale()};
  }

  // Called with what is there already when a stage begins, then after each of its units.
  void done(Stage stage, int64_t count, int64_t total) {
    units_ = count;
    if (callbacks_.progress) callbacks_.progress(stage, count, total);
    if (callbacks_.cancelled && callbacks_.cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
  }

  template <typename Call>
  std::invoke_result_t<Call> timed(Stage stage, Call call) {
    units_ = 0;
    const auto begin = Clock::now();
    auto value = call();
    result_.times.push_back({stage, std::chrono::duration<double>(Clock::now() - begin).count(), units_});
    return value;
  }

  at::Tensor prior_ids() {  // -> i64 [1, N], one for each decoder patch
    const Grid grid = settings_.grid();
    const Grid preview = preview_grid(grid);
    const int64_t codebook = m_.config.generation.codebook;
    at::Tensor ids;
    if (auto injected = injected_.ids("prior.ids", {1, 4 * grid.height * grid.width}, codebook)) {
      ids = *injected;
    } else {
      const at::Tensor generated = generated_tokens(grid, preview);
      tap_.stage("ar.generated", generated);
      const at::Tensor large = large_grid(generated, preview, grid, codebook);
      tap_.stage("prior.d32_ids.0", large);
      ids = upsample_ids(large, grid);
    }
    tap_.stage("prior.ids", ids);
    return ids;
  }

  at::Tensor generated_tokens(Grid grid, Grid preview) {  // -> i64 [1, n]
    if (auto injected = injected_.ids("ar.generated", {1, -1}, m_.config.prior.vocab)) {
      const int64_t first = preview.height * preview.width;
      const int64_t cells = first + grid.height * grid.width;
      const int64_t codebook = m_.config.generation.codebook;
      if (injected->size(1) < cells || injected->slice(1, first, cells).max().item<int64_t>() >= codebook) {
        throw Error(ErrorCode::usage, "can't inject ar.generated: expected at least " + std::to_string(cells) +
                                          " image tokens with ids below " + std::to_string(codebook) +
                                          ", found fewer or others; inject a dump of the same size");
      }
      return *injected;
    }
    at::Tensor ids;  // [1, L]
    if (auto injected = injected_.ids("ar.in.input_ids", {1, -1}, m_.config.prior.vocab)) {
      ids = *injected;
    } else {
      const PromptLayout layout =
          layout_prompt(m_.text_tokenizer, m_.layout_tokens, request_.prompt, grid, request_.parse_special);
      ids = at::tensor(layout.ids, at::kLong).unsqueeze(0);
    }
    tap_.stage("ar.in.input_ids", ids);
    tap_.stage("ar.in.image_grid_thw",
               at::tensor({int64_t{1}, grid.height, grid.width, int64_t{1}, preview.height, preview.width}, at::kLong)
                   .view({2, 3}));
    const GenerationConfig& g = m_.config.generation;
    const PriorRequest prior{
        .ids = ids,
        .preview = preview,
        .target = grid,
        .sampling = {.temperature = g.temperature, .top_p = g.top_p, .top_k = g.top_k, .greedy = request_.greedy},
        .allow_early_stop = request_.allow_early_stop,
        .seed = request_.seed};
    return generate_tokens(
        m_.prior, m_.config, prior, [&](int64_t n, int64_t total) { done(Stage::prior, n, total); }, tap_ / "ar");
  }

  // The branch with the prompt, and for guidance the one without.
  std::vector<DitBranch> branches(const at::Tensor& ids) {
    const bool guided = settings_.guidance > 1;
    done(Stage::glyphs, 0, guided ? 2 : 1);
    const at::Tensor prompt = glyph_embeds("glyph.prompt_embeds", request_.prompt, 0);
    std::vector<DitBranch> result = {m_.dit.branch(prompt, ids, /*drop=*/false, tap_ / "step0.cond")};
    if (guided) {
      const at::Tensor empty = glyph_embeds("glyph.negative_embeds", "", 1);
      result.push_back(m_.dit.branch(empty, ids, /*drop=*/true, tap_ / "step0.uncond"));
    }
    done(Stage::glyphs, guided ? 2 : 1, guided ? 2 : 1);
    return result;
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

  at::Tensor denoise(const std::vector<DitBranch>& branches, const std::vector<int64_t>& shape) {  // -> [1, C, h, w]
    const int64_t patches = 4 * settings_.grid().height * settings_.grid().width;
    const FlowSchedule schedule(m_.config.schedule, patches, settings_.steps);
    tap_.stage("sched.mu", at::tensor({schedule.mu}, at::kDouble));
    tap_.stage("sched.sigmas", at::tensor(schedule.sigmas, at::kFloat));
    tap_.stage("sched.timesteps", at::tensor(schedule.timesteps, at::kFloat));

    auto [latents, first] = first_latents(shape);
    done(Stage::denoise, first, settings_.steps);
    for (int64_t k = first; k < settings_.steps; ++k) {
      const Tap tap = tap_ / ("step" + std::to_string(k));
      std::vector<Tap> inside(branches.size());
      if (k == 0) inside = {tap / "cond", tap / "uncond"};  // of the first step alone
      inside.resize(branches.size());
      const at::Tensor out = m_.dit.forward(latents.to(m_.dtype), branches,
                                            {.timestep = schedule.timesteps[static_cast<size_t>(k)] - 1.0,
                                             .height = settings_.height,
                                             .width = settings_.width},
                                            inside);
      const at::Tensor v = guide(out, tap);
      tap.stage("noise_pred", v);
      latents = schedule.step(latents, v, k);
      tap.stage("latents", latents);
      done(Stage::denoise, k + 1, settings_.steps);
    }
    return latents;
  }

  // Latents to start with, and the step to start at.
  std::pair<at::Tensor, int64_t> first_latents(const std::vector<int64_t>& shape) {
    if (const int64_t k = injected_.last_step(); k >= 0) {
      if (k >= settings_.steps)
        throw Error(ErrorCode::usage, "can't inject step" + std::to_string(k) + ".latents: it is beyond the " +
                                          std::to_string(settings_.steps) + " steps asked for");
      return {*injected_.values("step" + std::to_string(k) + ".latents", shape, at::kFloat), k + 1};
    }
    const auto injected = injected_.values("latents.init", shape, m_.dtype);
    // Drawn in the model's dtype from a stream of its own, as upstream does.
    const at::Tensor latents = injected ? *injected : CpuRandom(request_.seed).normal(shape, m_.dtype);
    tap_.stage("latents.init", latents);
    return {latents, 0};
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

  at::Tensor decode(const at::Tensor& scaled) {  // -> u8 [1, H, W, 3]
    done(Stage::decode, 0, 1);
    const at::Tensor pixels = m_.vae.decode(scaled);
    tap_.stage("vae.decoded", pixels);
    at::Tensor bytes = pixels_to_bytes(pixels);
    tap_.stage("image", bytes);
    done(Stage::decode, 1, 1);
    return bytes;
  }

  void write_dump() const {
    if (request_.dump.empty()) return;
    nlohmann::json meta = {{"prompt", request_.prompt},
                           {"width", settings_.width},
                           {"height", settings_.height},
                           {"steps", settings_.steps},
                           {"guidance", settings_.guidance},
                           {"seed", request_.seed},
                           {"greedy", request_.greedy},
                           {"rng", "cpu"},
                           {"parse_special", request_.parse_special},
                           {"model", std::filesystem::absolute(m_.folder).filename().string()},
                           {"dtype", dtype_name(m_.dtype)},
                           {"version", GLM_VERSION}};
    for (const Result::StageTime& t : result_.times) meta["seconds"][stage_name(t.stage)] = t.seconds;
    write_safetensors(request_.dump, dump_,
                      {{"json", meta.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}});
  }

  const Model& m_;
  const Request& request_;
  const Callbacks& callbacks_;
  Settings settings_;
  Injection injected_;
  Tap tap_;
  std::map<std::string, at::Tensor> dump_;
  Result result_;
  int64_t units_ = 0;
};

}  // namespace

Result run_picture(const Model& model, const Request& request, const Callbacks& callbacks) {
  return PictureRun(model, request, callbacks).run();
}

}  // namespace glm
