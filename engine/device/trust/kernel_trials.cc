#include "engine/device/trust/kernel_trials.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/device/trust/trial_tensors.h"
#include "kernels/cuda_calls.h"
#include "kernels/decode_reference.h"
#include "kernels/random.h"

namespace glm {
namespace {

constexpr float kEps = 1e-5f;
constexpr int kTotal = 1000;  // tokens that a sampled row writes: more than there are timed calls, which add one each

struct AttentionCase {
  std::vector<int> lengths;
  int64_t splits, kv_heads, capacity, rotary;
  int head = cuda::kHeadDim;
  int group = cuda::kGroupHeads;
  std::vector<int> pictures = {};  // of the rows, if pictures have several; a picture's rows lie in order

  size_t picture_of(size_t row) const { return pictures.empty() ? row : static_cast<size_t>(pictures[row]); }
  int64_t count() const {  // of pictures
    return static_cast<int64_t>(pictures.empty() ? lengths.size()
                                                 : *std::max_element(pictures.begin(), pictures.end()) + 1U);
  }
};

DecodeAttention attention_inputs(const TrialTensors& make, const AttentionCase& c) {
  const auto batch = static_cast<int64_t>(c.lengths.size());
  const int64_t width = (c.kv_heads * c.group + 2 * c.kv_heads) * c.head;
  DecodeAttention a;
  a.qkv = make.normal({c.splits, batch, width}, at::kFloat);
  a.bias = make.normal({width}, at::kBFloat16);
  a.cosines = make.normal({c.count(), c.capacity, c.rotary}, at::kBFloat16);
  a.sines = make.normal({c.count(), c.capacity, c.rotary}, at::kBFloat16);
  a.keys = make.poison({c.count(), c.kv_heads, c.capacity, c.head}, at::kBFloat16);
  a.values = make.poison({c.count(), c.kv_heads, c.capacity, c.head}, at::kBFloat16);
  for (size_t row = 0; row < c.lengths.size(); ++row) {
    if (row > 0 && c.picture_of(row) == c.picture_of(row - 1))
      continue;  // the rows before it write what this row needs
    const int64_t length = c.lengths[row];
    for (const at::Tensor& cache : {a.keys, a.values}) {
      cache[static_cast<int64_t>(c.picture_of(row))]
          .slice(1, 0, length)
          .copy_(make.normal({c.kv_heads, length, c.head}, at::kBFloat16));
    }
  }
  a.lengths = c.lengths;
  a.scale = 1 / std::sqrt(static_cast<double>(c.head));
  return a;
}

// Computes the rows by ATen, one after another, and leaves the caches as they do. -> bf16 [B, Hq * head]
at::Tensor attend_by_aten(const DecodeAttention& a, const AttentionCase& c) {
  if (c.pictures.empty()) return decode_attention(a, at::kFloat);
  std::vector<at::Tensor> rows;
  for (size_t row = 0; row < c.lengths.size(); ++row) {
    const auto r = static_cast<int64_t>(row);
    const auto picture = static_cast<int64_t>(c.picture_of(row));
    DecodeAttention one = a;
    one.qkv = a.qkv.slice(1, r, r + 1);
    one.lengths = {c.lengths[row]};
    for (at::Tensor* own : {&one.cosines, &one.sines, &one.keys, &one.values})
      *own = own->slice(0, picture, picture + 1);
    rows.push_back(decode_attention(one, at::kFloat));
  }
  return at::cat(rows);
}

KernelTrial attention_trial(const TrialTensors& make, const AttentionCase& c) {
  const auto batch = static_cast<int64_t>(c.lengths.size());
  const int64_t heads = c.kv_heads * c.group;
  const int64_t chunks = c.capacity / cuda::kChunk + 1;
  const DecodeAttention a = attention_inputs(make, c);
  const at::Tensor lengths = make.ints(c.lengths);
  const at::Tensor pictures = make.ints(c.pictures);
  const at::Tensor partial = make.poison({batch, c.kv_heads, chunks, cuda::kGroupHeads, cuda::kHeadDim}, at::kFloat);
  const at::Tensor partial_max = make.poison({batch, c.kv_heads, chunks, 2, cuda::kGroupHeads}, at::kFloat);
  const at::Tensor out = make.poison({batch, heads * c.head}, at::kBFloat16);

  KernelTrial t;
  t.look_ahead = !c.pictures.empty();
  t.kernel = t.look_ahead ? "attention of several rows" : "attention";
  t.shape = std::to_string(heads) + " on " + std::to_string(c.kv_heads) + " heads of " + std::to_string(c.head) +
            ", up to " + std::to_string(c.capacity) + " positions";
  t.allowed = kBf16Step;
  t.repeatable = true;
  t.inputs = {a.qkv, a.bias, a.cosines, a.sines, lengths, pictures};
  t.written = {writes(a.keys), writes(a.values), writes(partial), writes(partial_max), writes(out)};
  t.call.kernel = cuda::Kernel::attention;
  t.call.attention = {.qkv = data_of<float>(a.qkv),
                      .qkv_splits = narrow(c.splits),
                      .bias = bf16_of(a.bias),
                      .cosines = bf16_of(a.cosines),
                      .sines = bf16_of(a.sines),
                      .keys = bf16_of(a.keys),
                      .values = bf16_of(a.values),
                      .lengths = data_of<int>(lengths),
                      .pictures = t.look_ahead ? data_of<int>(pictures) : nullptr,
                      .partial = data_of<float>(partial),
                      .partial_max = data_of<float>(partial_max),
                      .out = bf16_of(out),
                      .out_stride = narrow(out.size(1)),
                      .head_dim = c.head,
                      .group = c.group,
                      .batch = narrow(batch),
                      .kv_heads = narrow(c.kv_heads),
                      .capacity = narrow(c.capacity),
                      .rotary = narrow(c.rotary),
                      .chunks = narrow(chunks),
                      .scale = static_cast<float>(a.scale)};
  t.judge = [a, c, out, keys = t.written[0].before, values = t.written[1].before]() -> KernelTrial::Answer {
    DecodeAttention own = a;
    own.keys = keys.clone();
    own.values = values.clone();
    const double error = difference(out, attend_by_aten(own, c));
    const bool alike = same_bits(own.keys, a.keys) && same_bits(own.values, a.values);
    if (!alike) return {error, "the cache that it leaves differs from ATen's"};
    return {error, ""};
  };
  return t;
}

struct NormCase {
  int64_t splits, batch, dim;
};

KernelTrial norm_trial(const TrialTensors& make, const NormCase& c, bool first) {
  const at::Tensor y = make.normal({c.splits, c.batch, c.dim}, at::kFloat);
  const at::Tensor post = make.normal({c.dim}, at::kBFloat16);
  const at::Tensor pre = make.normal({c.dim}, at::kBFloat16);
  const at::Tensor embedding = make.normal({100, c.dim}, at::kBFloat16);
  const at::Tensor tokens = make.whole(0, 100, {c.batch}, at::kInt);
  const at::Tensor residual =
      first ? make.poison({c.batch, c.dim}, at::kBFloat16) : make.normal({c.batch, c.dim}, at::kBFloat16);
  const at::Tensor x = make.poison({c.batch, c.dim}, at::kBFloat16);

  KernelTrial t;
  t.kernel = first ? "first norm" : "norm";
  t.shape = std::to_string(c.dim) + " wide";
  t.allowed = kBf16Step;
  t.repeatable = first;
  t.inputs = {y, post, pre, embedding, tokens};
  t.written = {writes(residual), writes(x)};
  t.call.kernel = cuda::Kernel::norm;
  t.call.norm = {.y = first ? nullptr : data_of<float>(y),
                 .splits = first ? 0 : narrow(c.splits),
                 .post_weight = first ? nullptr : bf16_of(post),
                 .tokens = first ? data_of<int>(tokens) : nullptr,
                 .embedding = bf16_of(embedding),
                 .before = bf16_of(residual),
                 .residual = bf16_of(residual),
                 .pre_weight = bf16_of(pre),
                 .x = bf16_of(x),
                 .x_stride = narrow(c.dim),
                 .batch = narrow(c.batch),
                 .dim = narrow(c.dim),
                 .own_x = 0,
                 .eps = kEps};
  const auto reference = [=, before = t.written[0].before] {
    return first ? decode_first_norm(tokens, embedding, pre, kEps) : decode_norm(y, post, before, pre, kEps);
  };
  t.judge = [=] {
    const Normed expected = reference();
    return joined(rounded_alike(residual, expected.residual), rounded_alike(x, expected.x));
  };
  if (c.batch == 1) {
    t.timed = {t.call};
    t.aten = [reference](int) { reference(); };
  }
  return t;
}

struct SampleCase {
  SamplingOptions options;
  int64_t splits = 1, batch = 16, vocab = 0, codebook = 0;
  bool drawn_here = false;  // true: the kernel draws the exponentials itself
  bool mask = true;
  bool broken = false;  // true: a row has a NaN
};

// Returns the exponentials that --rng cuda draws for each row's next token: fp32 [B, V].
at::Tensor card_exponentials(const at::Tensor& seeds, const std::vector<int>& counts, int64_t vocab) {
  std::vector<at::Tensor> rows;
  for (size_t b = 0; b < counts.size(); ++b) {
    CudaRandom random(static_cast<uint64_t>(seeds[static_cast<int64_t>(b)].item<int64_t>()));
    for (int i = 0; i < counts[b]; ++i) random.exponential({1, vocab});
    rows.push_back(random.exponential({1, vocab}));
  }
  return at::cat(rows).to(seeds.device());
}

DecodeSample sample_inputs(const TrialTensors& make, const SampleCase& c, const at::Tensor& seeds) {
  const auto state = [&](int value) { return at::full({c.batch}, value, make.on(at::kInt)); };
  std::vector<int> counts(static_cast<size_t>(c.batch));
  for (size_t b = 0; b < counts.size(); ++b) counts[b] = static_cast<int>(b % 4);
  DecodeSample s;
  s.logits = make.normal({c.splits, c.batch, c.vocab}, at::kFloat) * 3;
  if (c.broken) s.logits[0][c.batch - 1][c.vocab / 2].fill_(NAN);
  s.exponentials = c.drawn_here ? card_exponentials(seeds, counts, c.vocab) : make.exponential({c.batch, c.vocab});
  s.codebook = c.codebook;
  s.mask = c.mask;
  s.options = c.options;
  s.totals = state(kTotal);
  if (c.batch > 3) {  // row 1 has ended, and row 2 is at its last token
    s.totals[1].fill_(1);
    s.totals[2].fill_(3);
  }
  s.counts = make.ints(counts);
  s.lengths = state(500);
  s.tokens = make.poison({c.batch}, at::kInt);
  s.written = make.poison({c.batch, kTotal}, at::kInt);
  s.not_finite = state(0);
  return s;
}

KernelTrial::Answer judge_sample(const DecodeSample& s, const std::vector<KernelTrial::Written>& written) {
  DecodeSample own = s;
  own.counts = written[0].before.clone();
  own.lengths = written[1].before.clone();
  own.tokens = written[2].before.clone();
  own.written = written[3].before.clone();
  own.not_finite = written[4].before.clone();
  decode_sample(own);
  const at::Tensor other = s.tokens.ne(own.tokens);
  // A single row isn't judged by its token: a near tie would make the share 1.
  const double share = other.numel() > 1 ? other.to(at::kDouble).mean().item<double>() : 0;
  // In a row of `written` only the new token may differ, and only if `tokens` differs.
  const at::Tensor unlike = s.written.ne(own.written).sum(1).ne(other);
  const bool alike = at::equal(s.counts, own.counts) && at::equal(s.lengths, own.lengths) &&
                     at::equal(s.not_finite, own.not_finite) && !unlike.any().item<bool>();
  return {share, alike ? "" : "its counts differ from ATen's"};
}

KernelTrial sample_trial(const TrialTensors& make, const SampleCase& c) {
  const at::Tensor seeds = make.whole(0, INT64_MAX, {c.batch}, at::kLong);
  const DecodeSample s = sample_inputs(make, c, seeds);
  KernelTrial t;
  t.kernel = "sample";
  t.shape = std::to_string(c.vocab) + " ids";
  t.allowed = 0.13;  // two of a batch of 16 may be at a near tie
  t.inputs = {s.logits, s.exponentials, seeds, s.totals};
  t.written = {writes(s.counts), writes(s.lengths), writes(s.tokens), writes(s.written), writes(s.not_finite)};
  t.call.kernel = cuda::Kernel::sample;
  t.call.sample = {.logits = data_of<float>(s.logits),
                   .splits = narrow(c.splits),
                   .batch = narrow(c.batch),
                   .vocab = narrow(c.vocab),
                   .codebook = narrow(c.codebook),
                   .temperature = static_cast<float>(c.options.temperature),
                   .dropped_mass = c.options.top_p < 1 ? static_cast<float>(1 - c.options.top_p) : -1,
                   .top_k = narrow(c.options.top_k),
                   .greedy = c.options.greedy ? 1 : 0,
                   .mask = c.mask ? 1 : 0,
                   .seeds = data_of<const uint64_t>(seeds),
                   .exponentials = c.drawn_here ? nullptr : data_of<float>(s.exponentials),
                   .totals = data_of<int>(s.totals),
                   .counts = data_of<int>(s.counts),
                   .lengths = data_of<int>(s.lengths),
                   .tokens = data_of<int>(s.tokens),
                   .written = data_of<int>(s.written),
                   .written_stride = kTotal,
                   .not_finite = data_of<int>(s.not_finite),
                   .advance = 1};
  t.judge = [s, written = t.written] { return judge_sample(s, written); };
  if (c.batch == 1) {
    t.timed = {t.call};
    t.aten = [logits = s.logits.slice(0, 0, 1), codebook = c.codebook, options = c.options](int) {
      sample(logits[0], at::empty_like(logits[0]).exponential_(), codebook, options);
    };
  }
  return t;
}

}  // namespace

void visit_attention_trials(at::Device device, bool real, const VisitTrial& visit) {
  const TrialTensors make(device);
  visit(attention_trial(make, {{0, 127, 3, 128, 200}, 2, 1, 260, 32}));
  visit(attention_trial(make, {{0, 127, 3, 128, 200}, 2, 2, 260, 32, 64, 3}));
  for (const int head : {cuda::kHeadDim, 64}) {
    AttentionCase several{{62, 63, 64, 65, 127, 128, 129, 5}, 2, 2, 260, 32};
    several.head = head;
    several.pictures = {0, 0, 0, 0, 1, 1, 1, 2};
    visit(attention_trial(make, several));
  }
  if (!real) return;
  visit(attention_trial(
      make, {{2399, 0, 1, 15, 16, 127, 128, 129, 255, 500, 777, 1023, 1024, 1500, 2000, 2398}, 2, 2, 2400, 64}));
  KernelTrial one = attention_trial(make, {{2399}, 1, 2, 2400, 64});
  one.timed = {one.call};
  DecodeAttention a;  // with the same positions; the time doesn't depend on the numbers
  a.qkv = one.inputs[0];
  a.bias = one.inputs[1];
  a.cosines = one.inputs[2];
  a.sines = one.inputs[3];
  a.keys = one.written[0].before.clone();
  a.values = one.written[1].before.clone();
  a.lengths = {2399};
  one.aten = [a](int) { decode_attention(a, at::kBFloat16); };
  visit(one);
}

void visit_norm_trials(at::Device device, bool real, const VisitTrial& visit) {
  const TrialTensors make(device);
  for (const bool first : {true, false}) {
    for (const int64_t dim : {int64_t{192}, int64_t{4096}}) {
      if (dim == 4096 && !real) continue;
      visit(norm_trial(make, {2, 16, dim}, first));
      if (dim == 4096) visit(norm_trial(make, {1, 1, dim}, first));
    }
  }
}

void visit_sample_trials(at::Device device, bool real, const VisitTrial& visit) {
  const TrialTensors make(device);
  const SamplingOptions both{.temperature = 0.9, .top_p = 0.75, .top_k = 40};
  visit(sample_trial(make, {both, 2, 16, 1008, 1000, false, true, true}));
  visit(sample_trial(make, {{.temperature = 1, .top_p = 0.5}, 1, 16, 1008, 1000, true, false}));
  visit(sample_trial(make, {{.greedy = true}, 2, 16, 1008, 1000}));
  if (!real) return;
  const SamplingOptions usual{.temperature = 0.9, .top_p = 0.75, .top_k = 16512};
  visit(sample_trial(make, {usual, 2, 16, 16512, 16384, true}));
  visit(sample_trial(make, {usual, 2, 16, 16512, 16384}));
  visit(sample_trial(make, {usual, 1, 1, 16512, 16384, true}));
}

void visit_kernel_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit) {
  visit_linear_trials(device, multiprocessors, real, visit);
  visit_attention_trials(device, real, visit);
  visit_norm_trials(device, real, visit);
  visit_sample_trials(device, real, visit);
}

}  // namespace glm
