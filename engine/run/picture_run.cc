#include "engine/run/picture_run.h"

#include <ATen/ATen.h>

#include <memory>
#include <utility>

#include "base/refuse.h"
#include "engine/run/dump.h"
#include "engine/run/memory.h"
#include "engine/run/pixels_stage.h"
#include "engine/run/stage_tensors.h"
#include "engine/run/steps_stage.h"
#include "engine/run/tokens_stage.h"

namespace glm {
namespace {

constexpr const char* kFinal = "latents.final_scaled";

void check_callbacks(const Callbacks& callbacks) {
  if (callbacks.preview && callbacks.preview_every < 1) {
    refuse("preview_every", "at least 1", std::to_string(callbacks.preview_every));
  }
}

std::vector<PictureJob> jobs_of(const Request& request, const Injection& injected) {
  std::vector<PictureJob> jobs;
  const auto count = static_cast<int64_t>(request.seeds.size());
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<size_t>(i);
    jobs.push_back({.index = index, .seed = request.seeds[index], .injected = injected.of(i, count)});
  }
  return jobs;
}

std::vector<Grid> grids_of(const ModelConfig& c, const Request& request) {
  std::vector<Grid> grids;
  for (const Image& picture : request.references) grids.push_back(reference_grid(c, picture));
  return grids;
}

Tap::Level level_of(const Request& request) {
  return request.full_taps ? Tap::Level::full : Tap::Level::stages;
}

// One call. Each public function checks what its stages are asked, before the first stage begins.
class PictureRun {
 public:
  PictureRun(const Model& model, CallCache& cache, const Request& request, const Callbacks& callbacks)
      : cache_(cache),
        callbacks_(callbacks),
        settings_(settle(request, model.config)),
        injected_(injection_of(request)),
        jobs_(jobs_of(request, injected_)),
        dump_(request.dump, level_of(request), request.replace_dump),
        progress_(callbacks, model.device, static_cast<int64_t>(jobs_.size())),
        c_{.model = model,
           .request = request,
           .settings = settings_,
           .tap = with_callback(dump_.tap(), callbacks.tap, level_of(request)),
           .progress = progress_},
        tokens_(c_, grids_of(model.config, request)),
        steps_(c_, callbacks, cache.preview),
        load_(load_of(model.config, request, settings_, !callbacks.picture)) {
    check_callbacks(callbacks);
    result_.rendered_width = settings_.geometry.width;
    result_.rendered_height = settings_.geometry.height;
  }

  // Writes all pictures' tokens, then draws picture after picture. So a picture's numbers don't depend on which
  // pictures share its call.
  Result all() {
    if (injected_.has(kFinal)) return decode_injected();
    check_tokens();
    check_latents();
    check_memory();
    read_references();
    const std::vector<at::Tensor> grids = TokensStage::grids({share()}).front();
    steps_.encode_glyphs(injected_);
    for (const PictureJob& job : jobs_) {
      decode(job, steps_.latents(job, tokens_.patch_ids(job, grids[job.index]), references_));
    }
    return finished();
  }

  // Makes the checks that all() makes before it computes anything, except the one of free memory.
  void check() const {
    if (injected_.has(kFinal)) return check_injected_latents();
    check_tokens();
    check_latents();
  }

  // The runs' tokens, written together.
  static std::vector<std::vector<Tokens>> tokens(const std::vector<std::unique_ptr<PictureRun>>& runs) {
    for (const auto& run : runs) {
      run->load_.latents = run->load_.pixels = false;
      run->check_tokens();
      run->check_memory();
    }
    std::vector<TokensStage::Share> shares;
    for (const auto& run : runs) {
      run->read_references();
      shares.push_back(run->share());
    }
    const std::vector<std::vector<at::Tensor>> grids = TokensStage::grids(shares);
    std::vector<std::vector<Tokens>> all;
    for (size_t i = 0; i < runs.size(); ++i) {
      PictureRun& run = *runs[i];
      std::vector<Tokens>& own = all.emplace_back();
      for (const PictureJob& job : run.jobs_) {
        own.push_back(tokens_of(run.tokens_.patch_ids(job, grids[i][job.index]), run.settings_.grid()));
      }
      run.finished();
    }
    return all;
  }

  std::vector<Latents> latents(const std::vector<Tokens>& tokens) {
    load_.tokens = load_.pixels = false;
    expect_count("tokens", tokens.size());
    std::vector<at::Tensor> grids;
    grids.reserve(tokens.size());
    for (const Tokens& own : tokens) {
      grids.push_back(grid_ids_of(own, settings_.grid(), c_.model.config.generation.codebook));
    }
    check_latents();
    check_memory();
    read_references();
    steps_.encode_glyphs(injected_);
    std::vector<Latents> all;
    for (const PictureJob& job : jobs_) {
      const at::Tensor ids = upsample_ids(grids[job.index], settings_.grid());
      c_.tap.stage("prior.ids", ids);
      const at::Tensor scaled = steps_.latents(job, ids, references_);
      c_.tap.stage(kFinal, scaled);
      all.push_back(latents_of(scaled));
    }
    finished();
    return all;
  }

  Result pixels(const std::vector<Latents>& latents) {
    load_.tokens = load_.latents = false;
    expect_count("latents", latents.size());
    for (const Latents& own : latents) check_latents_fit(own, latent_shape());
    check_memory();
    for (const PictureJob& job : jobs_) {
      decode(job, scaled_of(latents[job.index], latent_shape()).to(c_.model.dtype));
    }
    return finished();
  }

 private:
  TokensStage::Share share() { return {tokens_, jobs_, references_, &result_.warnings}; }

  void check_injected_latents() const {
    for (const PictureJob& job : jobs_) job.injected.check_values(kFinal, latent_shape());
  }
  Result decode_injected() {
    load_.tokens = load_.latents = false;
    check_injected_latents();
    check_memory();
    for (const PictureJob& job : jobs_) decode(job, *job.injected.values(kFinal, latent_shape(), c_.model.dtype));
    return finished();
  }

  // All pictures have the same prompt. So one check does for all of them, unless something is injected.
  void check_tokens() const {
    check_injected_references(c_.model.config, load_.references, injected_);
    for (const PictureJob& job : jobs_) {
      tokens_.check(job);
      if (c_.request.inject.empty()) return;
    }
  }
  void check_latents() const {
    check_injected_references(c_.model.config, load_.references, injected_);
    steps_.check_glyphs(injected_);
    for (const PictureJob& job : jobs_) steps_.check(job);
  }
  void check_memory() const {
    check_call_fits(c_.model.config, c_.model.dtype, c_.model.device, load_, cache_.references);
  }
  void expect_count(const std::string& what, size_t found) const {
    if (found == jobs_.size()) return;
    refuse(what, "those of " + std::to_string(jobs_.size()) + " pictures, one for each seed", std::to_string(found));
  }
  std::vector<int64_t> latent_shape() const { return c_.model.config.latent_shape(settings_.grid()); }

  void read_references() {
    if (c_.request.references.empty()) return;
    progress_.timed(Stage::references, [&] {
      references_ = glm::read_references(
          c_.model, c_.request.references, cache_.references, injected_,
          [&](int64_t n, int64_t total) { progress_.tell(Stage::references, n, total); }, c_.tap);
    });
  }

  void decode(const PictureJob& job, const at::Tensor& scaled) {  // [1, C, h, w]
    Picture picture = decode_picture(c_, job, scaled);
    if (callbacks_.picture) {
      callbacks_.picture(std::move(picture));
    } else {
      result_.pictures.push_back(std::move(picture));
    }
    progress_.tell_of(job.index, Stage::pixels, 1, 1);
  }

  Result finished() {
    result_.times = progress_.times();
    result_.token_passes = progress_.passes();
    dump_.write(about_run(c_.model, c_.request, settings_, result_), callbacks_.cancel);
    return std::move(result_);
  }

  CallCache& cache_;
  const Callbacks& callbacks_;
  const Settings settings_;
  const Injection injected_;
  const std::vector<PictureJob> jobs_;
  Dump dump_;
  Progress progress_;
  StageContext c_;
  TokensStage tokens_;
  StepsStage steps_;
  CallLoad load_;
  std::vector<std::shared_ptr<const Reference>> references_;
  Result result_;
};

}  // namespace

Result run_picture(const Model& model, CallCache& cache, const Request& request, const Callbacks& callbacks) {
  return PictureRun(model, cache, request, callbacks).all();
}
void check_request(const Model& model, CallCache& cache, const Request& request) {
  PictureRun(model, cache, request, {}).check();
}
std::vector<std::vector<Tokens>> run_tokens(const Model& model, CallCache& cache, std::span<const Request> requests,
                                            const Callbacks& callbacks) {
  if (requests.empty()) return {};
  std::vector<std::unique_ptr<PictureRun>> runs;
  runs.reserve(requests.size());
  for (const Request& request : requests) {
    runs.push_back(std::make_unique<PictureRun>(model, cache, request, callbacks));
  }
  return PictureRun::tokens(runs);
}
std::vector<Latents> run_latents(const Model& model, CallCache& cache, const Request& request,
                                 const std::vector<Tokens>& tokens, const Callbacks& callbacks) {
  return PictureRun(model, cache, request, callbacks).latents(tokens);
}
Result run_pixels(const Model& model, CallCache& cache, const Request& request, const std::vector<Latents>& latents,
                  const Callbacks& callbacks) {
  return PictureRun(model, cache, request, callbacks).pixels(latents);
}

}  // namespace glm
