#include "engine/run/prior.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/free_memory.h"
#include "engine/components/layers/finite.h"
#include "engine/components/layers/rope.h"
#include "engine/run/device_passes.h"
#include "engine/run/host_passes.h"
#include "engine/run/look_ahead_writer.h"
#include "engine/run/token_writer.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"
#include "kernels/random.h"

namespace glm {
namespace {

// Positions of a request: prompt i64 [3, 1, L], grids i64 [3, 1, cells].
struct Positions {
  at::Tensor prompt, grids;
  at::Tensor all() const { return at::cat({prompt, grids}, -1); }
};

Positions positions_of(const PriorRequest& request) {
  Positions p{.prompt = prompt_positions(request.ids.size(1), request.sources), .grids = {}};
  p.grids = grid_positions(position_after(p.prompt), {request.preview, request.target});
  return p;
}

int64_t cells_of(const PriorRequest& request) {
  return request.preview.cells() + request.target.cells();
}

// Holds the prompt that the transformer was fed last, and the results. A request with the same prompt starts from them
// instead of feeding the prompt again.
struct FedPrompt {
  at::Tensor ids;                    // i64 [1, L]
  at::Tensor positions;              // i64 [3, 1, L + cells], of prompt and grids
  std::optional<DecodeState> state;  // B = 1; behind the prompt the cache may hold another request's tokens
  at::Tensor logits;                 // [1, V] of the prompt's last position

  void feed(const PriorTransformer& transformer, const at::Tensor& prompt, const at::Tensor& all, const Tap& tap) {
    if (state && at::equal(ids, prompt) && at::equal(positions, all)) {
      state->length = ids.size(1);
      return;
    }
    ids = prompt;
    positions = all;
    state.reset();  // frees its memory before the next is allocated
    state.emplace(transformer.start(1, all));
    logits = transformer.prefill(ids, *state, tap);
  }
};

// Writes the tokens of one request by ATen, with a pass for each.
WrittenTokens decode_alone(const PriorTransformer& transformer, const ModelConfig& c, const PriorRequest& request,
                           FedPrompt& fed, const std::function<void(int64_t)>& done, const Tap& tap) {
  const int64_t cells = cells_of(request);
  const Positions positions = positions_of(request);
  tap.stage("position_ids_prefill", positions.prompt);

  fed.feed(transformer, request.ids, positions.all(), tap / "prefill");
  DecodeState& state = *fed.state;
  RandomNumbers random = RandomNumbers::of(request.rng, request.seed);
  const auto is_end = [&eos = c.generation.eos](int64_t id) {
    return std::find(eos.begin(), eos.end(), id) != eos.end();
  };
  FiniteWatch watch;
  at::Tensor generated = at::empty({1, cells + 1}, state.token.options());
  std::vector<at::Tensor> all_logits;
  int64_t n = 0;
  at::Tensor logits = fed.logits;
  while (true) {
    watch.see(logits);
    if (tap.wants_full()) all_logits.push_back(logits);
    // Before the grids are full only image tokens may be drawn. The last token may be any; normally it is the end.
    const int64_t legal = n < cells && !request.allow_early_stop ? c.generation.codebook : c.prior.vision_vocab;
    const at::Tensor exponential =
        request.sampling.greedy ? at::Tensor() : random.exponential(logits.sizes()).to(logits.device());
    state.token.copy_(sample(logits, exponential, legal, request.sampling));
    generated.select(1, n).copy_(state.token);
    ++n;
    done(n);
    if (n > cells || (request.allow_early_stop && is_end(state.token.item<int64_t>()))) break;
    logits = transformer.step(state);
  }
  watch.check("prior's logits");
  tap.stage("position_ids_decode", positions.grids.slice(-1, 0, n - 1));
  if (tap.wants_full()) tap.full("logits", at::stack(all_logits, 1));
  return {.tokens = {generated.slice(1, 0, n).cpu()}, .passes = n - 1};
}

// Returns i64 [1, n] for each picture.
std::vector<at::Tensor> tensors_of(const std::vector<std::vector<int64_t>>& tokens) {
  std::vector<at::Tensor> all;
  all.reserve(tokens.size());
  for (const std::vector<int64_t>& own : tokens) all.push_back(at::tensor(own, at::kLong).unsqueeze(0));
  return all;
}

TokenRules rules_of(const PriorRequest& request, const ModelConfig& c) {
  return {.sampling = request.sampling,
          .codebook = c.generation.codebook,
          .mask = !request.allow_early_stop,
          .eos = c.generation.eos};
}

// Feeds the prompts of a batch on a GPU. A prompt that neighbours share is fed once.
std::vector<DevicePicture> feed_together(const PriorTransformer& transformer, const std::vector<PriorRequest>& requests,
                                         const std::vector<Positions>& positions) {
  std::vector<DevicePicture> pictures;
  for (const PriorRequest& request : requests) {
    const size_t i = pictures.size();
    pictures.push_back(
        {.prompt = {}, .logits = {}, .cells = cells_of(request), .rng = request.rng, .seed = request.seed});
    if (i > 0 && at::equal(requests[i - 1].ids, request.ids) && at::equal(positions[i - 1].all(), positions[i].all())) {
      pictures[i].prompt = pictures[i - 1].prompt;
      pictures[i].logits = pictures[i - 1].logits;
      continue;
    }
    const auto state = std::make_shared<DecodeState>(transformer.start(1, positions[i].all()));
    pictures[i].logits = transformer.prefill(request.ids, *state, {});
    pictures[i].prompt = state;
  }
  return pictures;
}

// Writes the tokens of a batch by our CUDA kernels.
WrittenTokens decode_together(const PriorTransformer& transformer, const ModelConfig& c,
                              const std::vector<PriorRequest>& requests, const std::function<void(int64_t)>& done,
                              const WriteOptions& options) {
  std::vector<Positions> positions;
  for (const PriorRequest& request : requests) {
    positions.push_back(positions_of(request));
    options.tap.stage("position_ids_prefill", positions.back().prompt);
  }
  const std::vector<DevicePicture> pictures = feed_together(transformer, requests, positions);
  const cuda::Library& library = options.library != nullptr ? *options.library : *cuda::load_library().library;
  const TokenRules rules = rules_of(requests.front(), c);
  WrittenTokens written;
  if (options.rows == 1) {
    written.tokens = TokenWriter(transformer, library, pictures, rules).run(done);
    for (const at::Tensor& tokens : written.tokens) written.passes = std::max(written.passes, tokens.size(1) - 1);
  } else {
    std::vector<LookAheadWriter::Picture> asked;
    asked.reserve(pictures.size());
    for (const DevicePicture& picture : pictures) asked.push_back({picture.prompt->length, picture.cells});
    DevicePasses passes(transformer, library, pictures, rules);
    LookAheadWriter writer(passes, asked, rules, options.rows);
    written.tokens = tensors_of(writer.run(done, options.poll));
    written.passes = writer.passes();
  }
  for (size_t k = 0; k < written.tokens.size(); ++k) {
    options.tap.stage("position_ids_decode", positions[k].grids.slice(-1, 0, written.tokens[k].size(1) - 1));
  }
  return written;
}

// Writes the tokens of a batch on a CPU.
WrittenTokens decode_on_host(const PriorTransformer& transformer, const ModelConfig& c,
                             const std::vector<PriorRequest>& requests, FedPrompt& fed,
                             const std::function<void(int64_t)>& done, const WriteOptions& options) {
  std::vector<std::unique_ptr<DecodeState>> states;
  std::vector<HostPicture> pictures;
  std::vector<Positions> positions;
  for (const PriorRequest& request : requests) {
    positions.push_back(positions_of(request));
    options.tap.stage("position_ids_prefill", positions.back().prompt);
    const at::Tensor all = positions.back().all();
    fed.feed(transformer, request.ids, all, options.tap / "prefill");
    DecodeState* state = &*fed.state;
    if (requests.size() > 1) {  // each has a cache of its own
      states.push_back(std::make_unique<DecodeState>(transformer.start(1, all)));
      state = states.back().get();
      state->cache.copy_row(0, fed.state->cache, fed.state->length);
      state->length = fed.state->length;
    }
    pictures.push_back({.state = state,
                        .logits = fed.logits,
                        .cells = cells_of(request),
                        .numbers = PositionNumbers(RandomNumbers::of(request.rng, request.seed))});
  }
  std::vector<LookAheadWriter::Picture> asked;
  asked.reserve(pictures.size());
  for (const HostPicture& picture : pictures) asked.push_back({picture.state->length, picture.cells});
  const TokenRules rules = rules_of(requests.front(), c);
  HostPasses passes(transformer, std::move(pictures), rules, options.tap.wants_full());
  LookAheadWriter writer(passes, asked, rules, options.rows);
  WrittenTokens result{.tokens = tensors_of(writer.run(done, options.poll))};
  for (size_t k = 0; k < result.tokens.size(); ++k) {
    options.tap.stage("position_ids_decode", positions[k].grids.slice(-1, 0, result.tokens[k].size(1) - 1));
    const at::Tensor logits = passes.logits_of(static_cast<int64_t>(k));
    if (logits.defined()) options.tap.full("logits", logits);
  }
  result.passes = writer.passes();
  return result;
}

// Returns how many requests like this one a CPU takes together. Their caches have to fit into a quarter of the memory
// that is free.
size_t most_on_host(const PriorConfig& c, const PriorRequest& request, int64_t element_bytes) {
  const auto positions = static_cast<double>(request.ids.size(1) + cells_of(request));
  const double bytes = positions * static_cast<double>(2 * c.layers * c.kv_heads * c.head_dim * element_bytes);
  const double fit = static_cast<double>(free_memory()) / 4 / bytes;
  return static_cast<size_t>(std::clamp(fit, 1.0, static_cast<double>(host::kMostRows)));
}

bool same_sampling(const PriorRequest& a, const PriorRequest& b) {
  return a.sampling == b.sampling && a.allow_early_stop == b.allow_early_stop && a.rng == b.rng;
}

}  // namespace

void check_positions(const PriorRequest& request, const ModelConfig& c) {
  const auto largest = positions_of(request).all().max().item<int64_t>();
  if (largest >= c.prior.max_positions) {
    throw Error(ErrorCode::usage, "the prompt is too long: with the grids it reaches position " +
                                      std::to_string(largest) + ", but the model has only " +
                                      std::to_string(c.prior.max_positions) + "; shorten the prompt");
  }
}

WrittenTokens generate_tokens(const PriorTransformer& transformer, const ModelConfig& c,
                              const std::vector<PriorRequest>& requests, const WriteOptions& options) {
  int64_t total = 0;
  for (const PriorRequest& request : requests) total += cells_of(request) + 1;
  int64_t before = 0;  // tokens of the requests that are done
  options.done(0, total);
  WrittenTokens all;
  FedPrompt fed;
  const at::Tensor& embedding = transformer.embedding().weight();
  const bool on_host = embedding.is_cpu() && options.library == nullptr;
  const bool one_by_one = !on_host && (!transformer.decodes_by_kernels() || options.tap.wants_full());
  while (all.tokens.size() < requests.size()) {
    const size_t first = all.tokens.size();
    const auto now = [&](int64_t n) { options.done(before + n, total); };
    std::vector<PriorRequest> together = {requests[first]};
    size_t most = one_by_one ? 1 : cuda::kMaxBatch;
    if (on_host) most = most_on_host(c.prior, requests[first], embedding.element_size());
    for (size_t next = first + 1; next < requests.size() && together.size() < most; ++next) {
      if (!same_sampling(requests[first], requests[next])) break;
      together.push_back(requests[next]);
    }
    const WrittenTokens written = on_host      ? decode_on_host(transformer, c, together, fed, now, options)
                                  : one_by_one ? decode_alone(transformer, c, together[0], fed, now, options.tap)
                                               : decode_together(transformer, c, together, now, options);
    all.tokens.insert(all.tokens.end(), written.tokens.begin(), written.tokens.end());
    all.passes += written.passes;
    for (const PriorRequest& request : together) before += cells_of(request) + 1;
  }
  return all;
}

at::Tensor large_grid(const at::Tensor& generated, Grid preview, Grid target, int64_t codebook) {
  const int64_t first = preview.cells();
  const int64_t cells = target.cells();
  if (generated.size(1) < first + cells) {
    throw Error(ErrorCode::model, "the prior stopped after " + std::to_string(generated.size(1)) + " of " +
                                      std::to_string(first + cells) +
                                      " image tokens; leave out --allow-early-stop, or try another seed");
  }
  at::Tensor ids = generated.slice(1, first, first + cells);
  const auto illegal = at::logical_or(ids < 0, ids >= codebook).sum().item<int64_t>();
  if (illegal > 0) {
    throw Error(ErrorCode::model, std::to_string(illegal) + " of " + std::to_string(cells) +
                                      " tokens of the picture's grid are no image tokens (ids 0 to " +
                                      std::to_string(codebook - 1) +
                                      "); leave out --allow-early-stop, or try another seed");
  }
  return ids;
}

at::Tensor upsample_ids(const at::Tensor& ids, Grid grid) {
  const at::Tensor cells = ids.view({1, grid.height, grid.width});
  return cells.repeat_interleave(2, 1).repeat_interleave(2, 2).view({1, 4 * grid.cells()});
}

}  // namespace glm
