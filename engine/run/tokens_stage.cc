#include "engine/run/tokens_stage.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "base/refuse.h"
#include "glm/error.h"
#include "tokenizer/prompt_layout.h"

namespace glm {
namespace {

// Below this many weights a token takes so little time that threads wait for each other rather than compute. nano on
// two cores writes 5,470 tokens a second with one thread and 6,760 with two; beside a compiler on each core 2,200 and
// 1,430.
constexpr int64_t kWeightsWorthThreads = 50'000'000;

// While it lives, a small prior computes on one thread.
class PriorThreads {
 public:
  explicit PriorThreads(const PriorConfig& c) : before_(at::get_num_threads()) {
    const int64_t weights = c.layers * c.dim * (2 * c.heads * c.head_dim + 3 * c.inner_dim);
    if (weights <= kWeightsWorthThreads) at::set_num_threads(1);
  }
  ~PriorThreads() { at::set_num_threads(before_); }
  PriorThreads(const PriorThreads&) = delete;
  PriorThreads& operator=(const PriorThreads&) = delete;

 private:
  int before_;
};

// A prior that has got a wrong prompt, or damaged weights, repeats a few tokens, and the DiT paints them white.
void warn_of_collapse(uint64_t seed, const at::Tensor& ids, std::vector<std::string>* warnings) {
  const int64_t distinct = std::get<0>(at::_unique(ids)).numel();
  if (distinct * 50 >= ids.numel()) return;
  warnings->push_back("the picture of seed " + std::to_string(seed) + " has only " + std::to_string(distinct) +
                      " different tokens among its " + std::to_string(ids.numel()) +
                      "; it may be empty: try another seed or prompt");
}

}  // namespace

// With references there is no preview grid.
Grid TokensStage::preview() const {
  return sources_.empty() ? preview_grid(c_.settings.grid()) : Grid{0, 0};
}

at::Tensor TokensStage::injected_tokens(const PictureJob& job) const {
  at::Tensor injected = *job.injected.ids("ar.generated", {1, -1}, c_.model.config.prior.vocab);
  const int64_t first = preview().cells();
  const int64_t cells = first + c_.settings.grid().cells();
  const int64_t codebook = c_.model.config.generation.codebook;
  if (injected.size(1) < cells || injected.slice(1, first, cells).max().item<int64_t>() >= codebook) {
    refuse(ErrorCode::usage, "can't inject ar.generated",
           "at least " + std::to_string(cells) + " image tokens with ids below " + std::to_string(codebook),
           "fewer, or other ids", "inject a dump of the same size");
  }
  return injected;
}

at::Tensor TokensStage::large_grid(const at::Tensor& generated) const {
  return glm::large_grid(generated, preview(), c_.settings.grid(), c_.model.config.generation.codebook);
}

at::Tensor TokensStage::prompt_ids(const PictureJob& job) const {
  const Model& m = c_.model;
  if (auto injected = job.injected.ids("ar.in.input_ids", {1, -1}, m.config.prior.vocab)) return *injected;
  PromptLayout layout = layout_prompt(m.text_tokenizer, m.layout_tokens, c_.request.prompt, c_.settings.grid(),
                                      c_.request.parse_special, sources_);
  if (m.random_weights) layout.ids.back() = m.config.generation.image_begin;
  at::Tensor ids = at::tensor(layout.ids, at::kLong).unsqueeze(0);
  if (ids.max().item<int64_t>() >= m.config.prior.vocab) {
    refuse(ErrorCode::model, (m.folder / "processor/tokenizer.json").string(),
           "ids below vocab_size (" + std::to_string(m.config.prior.vocab) + ")",
           std::to_string(ids.max().item<int64_t>()));
  }
  return ids;
}

PriorRequest TokensStage::request(const PictureJob& job) const {
  return {.ids = prompt_ids(job),
          .preview = preview(),
          .target = c_.settings.grid(),
          .sources = sources_,
          .sampling = {.temperature = c_.settings.temperature,
                       .top_p = c_.settings.top_p,
                       .top_k = c_.settings.top_k,
                       .greedy = c_.request.greedy},
          .allow_early_stop = c_.request.allow_early_stop,
          .rng = c_.request.rng,
          .seed = job.seed};
}

void TokensStage::check(const PictureJob& job) const {
  const int64_t patches = c_.settings.geometry.patches.cells();
  if (job.injected.ids("prior.ids", {1, patches}, c_.model.config.generation.codebook)) return;
  if (job.injected.has("ar.generated")) {
    injected_tokens(job);
    return;
  }
  const PriorRequest asked = request(job);
  check_places(asked.ids, sources_, c_.model);
  check_positions(asked, c_.model.config);
}

std::vector<PriorRequest> TokensStage::requests(const Share& call) const {
  const Injection& injected = call.jobs[0].injected;
  if (injected.has("prior.ids") || injected.has("ar.generated")) return {};
  std::vector<Grid> grids = sources_;
  grids.push_back(c_.settings.grid());
  if (sources_.empty()) grids.push_back(preview());
  std::vector<int64_t> flat;
  for (const Grid& g : grids) flat.insert(flat.end(), {1, g.height, g.width});
  std::vector<PriorRequest> all;
  for (const PictureJob& job : call.jobs) {
    all.push_back(request(job));
    c_.tap.stage("ar.in.input_ids", all.back().ids);
    c_.tap.stage("ar.in.image_grid_thw", at::tensor(flat, at::kLong).view({-1, 3}));
    all.back().ids = place_tokens(all.back().ids, call.references);
  }
  return all;
}

// written: i64 [1, n] for each picture, or nothing where the tokens are injected.
std::vector<at::Tensor> TokensStage::grids_of(const Share& call, const std::vector<at::Tensor>& written) const {
  std::vector<at::Tensor> all(call.jobs.size());
  if (call.jobs[0].injected.has("prior.ids")) return all;
  for (size_t i = 0; i < all.size(); ++i) {
    const at::Tensor generated = written.empty() ? injected_tokens(call.jobs[i]) : written[i];
    c_.tap.stage("ar.generated", generated);
    all[i] = large_grid(generated).clone();
    c_.tap.stage("prior.d32_ids.0", all[i]);
    warn_of_collapse(call.jobs[i].seed, all[i], call.warnings);
  }
  return all;
}

std::vector<std::vector<at::Tensor>> TokensStage::grids(const std::vector<Share>& calls) {
  const StageContext& c = calls.front().stage.c_;
  std::vector<std::vector<at::Tensor>> all;
  c.progress.timed(Stage::tokens, [&] {
    const PriorThreads threads(c.model.config.prior);
    std::vector<PriorRequest> asked;
    std::vector<size_t> ends;  // of each call's requests
    for (const Share& call : calls) {
      for (PriorRequest& request : call.stage.requests(call)) asked.push_back(std::move(request));
      ends.push_back(asked.size());
    }
    std::vector<at::Tensor> written;
    if (!asked.empty()) {
      WrittenTokens result =
          generate_tokens(c.model.prior, c.model.config, asked,
                          {.rows = c.model.look_ahead,
                           .done = [&](int64_t n, int64_t total) { c.progress.tell(Stage::tokens, n, total); },
                           .poll = [&] { c.progress.poll(); },
                           .tap = c.tap / "ar"});
      c.progress.add_passes(result.passes);
      written = std::move(result.tokens);
    }
    auto begin = written.begin();
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto end = written.begin() + static_cast<std::ptrdiff_t>(ends[i]);
      all.push_back(calls[i].stage.grids_of(calls[i], {begin, end}));
      begin = end;
    }
  });
  return all;
}

at::Tensor TokensStage::patch_ids(const PictureJob& job, const at::Tensor& grid) const {
  const int64_t patches = c_.settings.geometry.patches.cells();
  const auto injected = job.injected.ids("prior.ids", {1, patches}, c_.model.config.generation.codebook);
  at::Tensor ids = injected ? *injected : upsample_ids(grid, c_.settings.grid());
  c_.tap.stage("prior.ids", ids);
  return ids;
}

}  // namespace glm
