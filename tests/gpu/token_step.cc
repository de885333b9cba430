#include "tests/gpu/token_step.h"

#include <ATen/ATen.h>

#include <cmath>

namespace glm {

using cuda::Call;
using cuda::Format;
using cuda::Kernel;

namespace {

constexpr float kEps = 1e-5f;
constexpr double kSpread = 0.02;  // of random weights

at::TensorOptions on(const Gpu& gpu, at::ScalarType dtype) {
  return at::TensorOptions(gpu.device).dtype(dtype);
}
at::Tensor random(const Gpu& gpu, at::IntArrayRef shape, double spread = 1, double mean = 0) {
  return at::empty(shape, on(gpu, at::kBFloat16)).normal_(mean, spread);
}

int qkv_rows(const StepShape& s) {
  return (s.heads + 2 * s.kv_heads) * cuda::kHeadDim;
}

}  // namespace

StepWeights make_step_weights(const Gpu& gpu, const StepShape& s, const MakeWeight& make) {
  StepWeights w{s, {}, {}, random(gpu, {s.vocab, s.dim}), random(gpu, {s.dim}, 0.1, 1)};
  for (int i = 0; i < s.layers; ++i) {
    StepLayer layer;
    layer.qkv = make(qkv_rows(s), s.dim, PackedWeight::Rows::plain);
    layer.o = make(s.dim, s.heads * cuda::kHeadDim, PackedWeight::Rows::plain);
    layer.gate_up = make(2 * s.inner, s.dim, PackedWeight::Rows::gate_up);
    layer.down = make(s.dim, s.inner, PackedWeight::Rows::plain);
    layer.bias = random(gpu, {qkv_rows(s)}, 0.1);
    for (at::Tensor& norm : layer.norms) norm = random(gpu, {s.dim}, 0.1, 1);
    w.layers.push_back(layer);
  }
  w.head = make(s.vocab, s.dim, PackedWeight::Rows::plain);
  return w;
}

namespace {

// Those of groups, for codes that lie around 8 or around 0 of a level.
at::Tensor random_scales(const Gpu& gpu, const cuda::PackedWeight& w) {
  const int64_t group = w.format == Format::sdnq4 ? 64 : cuda::kGroupInner;
  const int64_t shape[] = {w.rows / 16, (w.inner + group - 1) / group, 8, 2};
  const auto type = w.format == Format::int4 ? at::kBFloat16 : w.format == Format::autoround ? at::kHalf : at::kFloat;
  const double middle = w.format == Format::sdnq5 ? kSpread / 0.5 : kSpread / 4.6;
  const at::Tensor scales = random(gpu, shape, middle / 20, middle).to(type);
  if (w.format == Format::sdnq5) return scales;
  const at::Tensor zeros = w.format == Format::sdnq4 ? scales * -7.5 : at::full_like(scales, 8);
  return at::stack({scales, zeros}, -1);
}

}  // namespace

cuda::PackedWeight random_weight(const Gpu& gpu, Format format, int rows, int inner, std::vector<at::Tensor>& keep) {
  cuda::PackedWeight w{};
  w.rows = rows;
  w.inner = inner;
  w.format = format;
  const int64_t elements = int64_t{rows} * inner;
  at::Tensor tiles;
  if (format == Format::bf16) {
    tiles = random(gpu, {elements}, kSpread);
  } else {
    tiles = at::empty({cuda::packed_bytes(format, rows, inner)}, on(gpu, at::kByte)).random_(0, 256);
    if (format == Format::fp8 || format == Format::sdnq5) tiles.bitwise_and_(0xBF);  // below 2: no NaN
  }
  keep.push_back(tiles);
  w.tiles = tiles.const_data_ptr();
  if (cuda::scale_words(format, rows, inner, cuda::kGroupInner) > 0) {
    keep.push_back(random_scales(gpu, w));
    w.group = w.format == Format::sdnq4 ? 64 : cuda::kGroupInner;  // what sdnq chooses
    w.group_scales = static_cast<const uint32_t*>(keep.back().const_data_ptr());
  } else if (format != Format::bf16) {
    const double of_codes = format == Format::fp8 ? 0.5 : 74;
    keep.push_back(at::empty({rows}, on(gpu, at::kFloat)).uniform_(0.5 * kSpread / of_codes, 1.5 * kSpread / of_codes));
    w.row_scales = keep.back().const_data_ptr<float>();
  }
  return w;
}

double weight_bytes(const cuda::PackedWeight& w) {
  const int64_t words = w.group == 0 ? 0 : cuda::scale_words(w.format, w.rows, w.inner, w.group);
  const int64_t of_rows = w.row_scales != nullptr ? w.rows : 0;
  return static_cast<double>(cuda::packed_bytes(w.format, w.rows, w.inner) + 4 * (words + of_rows));
}

double weight_bytes(const StepWeights& weights) {
  double sum = weight_bytes(weights.head);
  for (const StepLayer& l : weights.layers) {
    sum += weight_bytes(l.qkv) + weight_bytes(l.o) + weight_bytes(l.gate_up) + weight_bytes(l.down);
  }
  return sum;
}

TokenStep::TokenStep(const Gpu& gpu, const StepWeights& weights, const StepOptions& options)
    : gpu_(gpu), weights_(weights), options_(options) {
  const StepShape& s = weights.shape;
  const int64_t batch = options.batch;
  const int64_t chunks = (options.capacity + cuda::kChunk - 1) / cuda::kChunk;
  const auto sums = [&](const cuda::PackedWeight& w) {
    return poisoned(gpu, {splits_of(w), batch, w.rows}, at::kFloat);
  };
  const StepLayer& first = weights.layers.front();
  x_ = random(gpu, {batch, s.dim});
  residual_ = random(gpu, {2, batch, s.dim});
  qkv_ = sums(first.qkv);
  attended_ = random(gpu, {batch, s.heads * cuda::kHeadDim});
  // Of o or down, whichever has more parts.
  y_ = poisoned(gpu, {std::max(splits_of(first.o), splits_of(first.down)), batch, s.dim}, at::kFloat);
  activated_ = random(gpu, {batch, s.inner});
  logits_ = sums(weights.head);
  keys_ = at::empty({s.layers, batch, s.kv_heads, options.capacity, cuda::kHeadDim}, on(gpu, at::kBFloat16));
  values_ = at::empty_like(keys_);
  const at::Tensor angles = at::empty({batch, options.capacity, s.rotary / 2}, on(gpu, at::kFloat)).uniform_(0, 6.28);
  cosines_ = at::cat({angles, angles}, -1).cos().to(at::kBFloat16);
  sines_ = at::cat({angles, angles}, -1).sin().to(at::kBFloat16);
  partial_ = poisoned(gpu, {batch, s.kv_heads, chunks, cuda::kGroupHeads, cuda::kHeadDim}, at::kFloat);
  partial_max_ = poisoned(gpu, {batch, s.kv_heads, chunks, 2, cuda::kGroupHeads}, at::kFloat);
  seeds_ = at::arange(7, 7 + batch, on(gpu, at::kLong));
  totals_ = at::full({batch}, options.tokens, on(gpu, at::kInt));
  counts_ = at::zeros({batch}, on(gpu, at::kInt));
  lengths_ = at::zeros({batch}, on(gpu, at::kInt));
  pictures_ = at::zeros({batch}, on(gpu, at::kInt));
  tokens_ = at::zeros({batch}, on(gpu, at::kInt));
  written_ = poisoned(gpu, {batch, options.tokens}, at::kInt);
  not_finite_ = at::zeros({batch}, on(gpu, at::kInt));
  keys_.normal_();
  values_.normal_();
}

void TokenStep::reset(int length) {
  lengths_.copy_(at::arange(length, length - options_.batch, -1, on(gpu_, at::kInt)));
  counts_.zero_();
  tokens_.copy_(at::arange(options_.batch, on(gpu_, at::kInt)));
  written_.fill_(-1);
  not_finite_.zero_();
}

int TokenStep::splits_of(const cuda::PackedWeight& w) const {
  return cuda::choose_splits(w, gpu_.about.multiprocessors);
}

Call TokenStep::linear(const cuda::PackedWeight& weight, const at::Tensor& x, const at::Tensor& sums) const {
  Call call{};
  call.kernel = Kernel::linear;
  call.linear = {};
  call.linear.weight = weight;
  call.linear.x = bf16_of(x);
  call.linear.x_stride = static_cast<int>(x.size(1));
  call.linear.batch = options_.batch;
  call.linear.splits = 1;
  call.linear.sums_stride = weight.rows;
  if (sums.scalar_type() == at::kFloat) {
    call.linear.splits = splits_of(weight);
    call.linear.sums = data_of<float>(sums);
  } else {
    call.linear.activated = bf16_of(sums);
    call.linear.activated_stride = static_cast<int>(sums.size(1));
  }
  return call;
}

// norms: how many there have been.
Call TokenStep::norm(const at::Tensor* post, const at::Tensor& pre, int norms) const {
  Call call{};
  call.kernel = Kernel::norm;
  call.norm = {};
  cuda::NormParams& p = call.norm;
  if (post != nullptr) {
    p.y = data_of<float>(y_);
    p.post_weight = bf16_of(*post);
  } else {
    p.tokens = data_of<int>(tokens_);
    p.embedding = bf16_of(weights_.embedding);
  }
  p.before = bf16_of(residual_[norms % 2]);
  p.residual = bf16_of(residual_[1 - norms % 2]);
  p.pre_weight = bf16_of(pre);
  p.x = bf16_of(x_);
  p.x_stride = static_cast<int>(x_.size(1));
  p.batch = options_.batch;
  p.dim = weights_.shape.dim;
  p.eps = kEps;
  return call;
}

Call TokenStep::attention(int layer) const {
  const StepShape& s = weights_.shape;
  Call call{};
  call.kernel = Kernel::attention;
  call.attention = {};
  cuda::AttentionParams& p = call.attention;
  p.qkv = data_of<float>(qkv_);
  p.qkv_splits = static_cast<int>(qkv_.size(0));
  p.bias = bf16_of(weights_.layers[static_cast<size_t>(layer)].bias);
  p.cosines = bf16_of(cosines_);
  p.sines = bf16_of(sines_);
  p.keys = bf16_of(keys_[layer]);
  p.values = bf16_of(values_[layer]);
  p.lengths = data_of<int>(lengths_);
  p.pictures = options_.one_picture ? data_of<int>(pictures_) : nullptr;
  p.partial = data_of<float>(partial_);
  p.partial_max = data_of<float>(partial_max_);
  p.out = bf16_of(attended_);
  p.out_stride = static_cast<int>(attended_.size(1));
  p.head_dim = cuda::kHeadDim;
  p.group = cuda::kGroupHeads;
  p.batch = options_.batch;
  p.kv_heads = s.kv_heads;
  p.capacity = options_.capacity;
  p.rotary = s.rotary;
  p.chunks = static_cast<int>(partial_.size(2));
  p.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(cuda::kHeadDim)));
  return call;
}

Call TokenStep::sample() const {
  const StepShape& s = weights_.shape;
  Call call{};
  call.kernel = Kernel::sample;
  call.sample = {};
  cuda::SampleParams& p = call.sample;
  p.logits = data_of<float>(logits_);
  p.splits = static_cast<int>(logits_.size(0));
  p.batch = options_.batch;
  p.vocab = s.vocab;
  p.codebook = s.codebook;
  p.temperature = 0.9f;  // the public model's
  p.dropped_mass = 0.25f;
  p.top_k = s.vocab;
  p.greedy = options_.greedy ? 1 : 0;
  p.mask = 1;
  p.seeds = data_of<uint64_t>(seeds_);
  p.totals = data_of<int>(totals_);
  p.counts = data_of<int>(counts_);
  p.lengths = data_of<int>(lengths_);
  p.tokens = data_of<int>(tokens_);
  p.written = data_of<int>(written_);
  p.written_stride = options_.tokens;
  p.not_finite = data_of<int>(not_finite_);
  p.advance = 1;
  return call;
}

Calls TokenStep::calls(const StepParts& parts) const {
  const auto y_of = [&](const cuda::PackedWeight& w) { return y_.slice(0, 0, splits_of(w)); };
  int norms = 0;
  const auto norm_of = [&](const cuda::PackedWeight& w, const at::Tensor& post, const at::Tensor& pre) {
    Call call = norm(&post, pre, ++norms);
    call.norm.splits = splits_of(w);
    return call;
  };
  Calls calls;
  if (parts.norms) calls.push_back(norm(nullptr, weights_.layers.front().norms[0], 0));
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    const StepLayer& l = weights_.layers[i];
    const at::Tensor& next = i + 1 < weights_.layers.size() ? weights_.layers[i + 1].norms[0] : weights_.last_norm;
    calls.push_back(linear(l.qkv, x_, qkv_));
    if (parts.attention) calls.push_back(attention(static_cast<int>(i)));
    calls.push_back(linear(l.o, attended_, y_of(l.o)));
    if (parts.norms) calls.push_back(norm_of(l.o, l.norms[1], l.norms[2]));
    calls.push_back(linear(l.gate_up, x_, activated_));
    calls.push_back(linear(l.down, activated_, y_of(l.down)));
    if (parts.norms) calls.push_back(norm_of(l.down, l.norms[3], next));
  }
  calls.push_back(linear(weights_.head, x_, logits_));
  if (parts.sample) calls.push_back(sample());
  return calls;
}

}  // namespace glm
