#include "engine/run/token_writer.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/components/layers/finite.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"
#include "kernels/random.h"

namespace glm {
namespace {

using cuda::bf16_bits;
constexpr int64_t kBlockTokens = 32;  // tokens of a row between two looks at what was written

bf16_bits* bits(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<bf16_bits*>(tensor.data_ptr<at::BFloat16>()) : nullptr;
}
int narrow(int64_t value) {
  return static_cast<int>(value);
}
int64_t padded(int64_t inner) {
  return (inner + cuda::kBlockInner - 1) / cuda::kBlockInner * cuda::kBlockInner;
}

void check(const char* wrong) {
  if (wrong == nullptr) return;
  const std::string what = wrong;
  if (what.find("cudaErrorMemoryAllocation") != std::string::npos) {
    throw Error(ErrorCode::memory, "out of GPU memory: " + what + "; try fewer pictures at once, or a smaller size");
  }
  throw Error(ErrorCode::internal, "one of our CUDA kernels failed: " + what + "; --kernels off works without them");
}

int multiprocessors() {
  const int count = cuda::load_library().library->multiprocessors();
  if (count < 1) throw Error(ErrorCode::device, "the GPU doesn't answer any more; start the program again");
  return count;
}

}  // namespace

struct TokenWriter::Memory {
  Memory(const PriorConfig& c, const std::vector<DecodeRow>& rows);

  // A row of `state`, i32 [B]: what the kernels count and write for each row of the batch.
  at::Tensor part(int64_t which) const { return state.select(0, which); }
  enum Part { kCounts, kLengths, kTokens, kTotals, kNotFinite, kParts };

  int64_t batch, capacity = 0, longest = 0;
  std::vector<int64_t> totals;
  KvCache cache;
  at::Tensor cosines, sines;                       // [B, capacity, R]
  at::Tensor residual;                             // bf16 [2, B, D]: a norm reads one and writes the other
  at::Tensor x, attended, activated;               // bf16 [B, .], padded with zeros
  at::Tensor qkv, summed, logits;                  // fp32 [splits, B, .]
  at::Tensor partial, partial_max;                 // attention's parts, as AttentionParams has them
  at::Tensor state;                                // i32 [kParts, B]
  at::Tensor seeds;                                // i64 [B]
  at::Tensor written;                              // i32 [B, longest]
  at::Tensor exponentials;                         // fp32 [B, V], for the next token; with --rng cpu
  std::vector<std::unique_ptr<CpuRandom>> random;  // each row's stream; with --rng cpu
};

namespace {

int64_t largest_capacity(const std::vector<DecodeRow>& rows) {
  int64_t most = 0;
  for (const DecodeRow& row : rows) most = std::max(most, row.prompt->rotary.cos.size(0));
  return most + 1;  // one more: a row that has ended keeps writing behind its end
}

}  // namespace

TokenWriter::Memory::Memory(const PriorConfig& c, const std::vector<DecodeRow>& rows)
    : batch(static_cast<int64_t>(rows.size())),
      capacity(largest_capacity(rows)),
      cache(c, batch, capacity, rows[0].logits.options()) {
  const at::TensorOptions device = rows[0].logits.options();
  const auto narrow_zeros = [&](at::IntArrayRef shape) { return at::zeros(shape, device.dtype(at::kBFloat16)); };
  const auto wide = [&](at::IntArrayRef shape) { return at::empty(shape, device.dtype(at::kFloat)); };
  const auto ints = [&](at::IntArrayRef shape) { return at::zeros(shape, device.dtype(at::kInt)); };

  cosines = narrow_zeros({batch, capacity, c.rotary_dim()});
  sines = narrow_zeros({batch, capacity, c.rotary_dim()});
  at::Tensor host = at::zeros({kParts, batch}, at::kInt);
  at::Tensor host_seeds = at::empty({batch}, at::kLong);
  for (int64_t k = 0; k < batch; ++k) {
    const DecodeRow& row = rows[static_cast<size_t>(k)];
    const int64_t positions = row.prompt->rotary.cos.size(0);
    cosines[k].slice(0, 0, positions).copy_(row.prompt->rotary.cos);
    sines[k].slice(0, 0, positions).copy_(row.prompt->rotary.sin);
    cache.copy_row(k, row.prompt->cache, row.prompt->length);
    totals.push_back(row.cells + 1);
    longest = std::max(longest, row.cells + 1);
    host[kLengths][k] = row.prompt->length;
    host[kTotals][k] = row.cells + 1;
    host_seeds[k] = static_cast<int64_t>(row.seed);
    if (row.rng == Rng::cpu) random.push_back(std::make_unique<CpuRandom>(row.seed));
  }
  state = host.to(device.device());
  seeds = host_seeds.to(device.device());
  written = ints({batch, longest});
  residual = narrow_zeros({2, batch, c.dim});
  x = narrow_zeros({batch, padded(c.dim)});
  attended = narrow_zeros({batch, padded(c.heads * c.head_dim)});
  activated = narrow_zeros({batch, padded(c.inner_dim)});
  const int64_t chunks = capacity / cuda::kChunk + 1;
  partial = wide({batch, c.kv_heads, chunks, cuda::kGroupHeads, cuda::kHeadDim});
  partial_max = wide({batch, c.kv_heads, chunks, 2, cuda::kGroupHeads});
  if (!random.empty()) exponentials = wide({batch, c.vision_vocab});
}

bool TokenWriter::fits(const PriorConfig& c) {
  return c.head_dim == cuda::kHeadDim && c.heads == c.kv_heads * cuda::kGroupHeads && c.dim % cuda::kTileRows == 0 &&
         c.dim <= cuda::kMaxDim && c.inner_dim % 8 == 0 && c.vision_vocab % cuda::kTileRows == 0 &&
         c.vision_vocab <= cuda::kMaxVocab && c.rotary_dim() >= 8 &&
         std::has_single_bit(static_cast<uint64_t>(c.rotary_dim()));
}

TokenWriter::TokenWriter(const PriorTransformer& transformer, const std::vector<DecodeRow>& rows,
                         const TokenRules& rules)
    : transformer_(transformer), rules_(rules), memory_(std::make_unique<Memory>(transformer.config(), rows)) {
  describe_step();
  // The same kernel draws the first token, from the prompt's logits.
  at::Tensor logits = memory_->logits.view({-1, memory_->batch, transformer_.config().vision_vocab});
  logits.zero_();
  for (int64_t k = 0; k < memory_->batch; ++k) logits[0][k].copy_(rows[static_cast<size_t>(k)].logits[0]);
  draw_exponentials();
  cuda::Call first = step_.back();
  first.sample.advance = 0;
  const cuda::Library& library = *cuda::load_library().library;
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
  check(library.run(&first, 1, guard.getStream(logits.device()).native_handle()));
  check(library.record(step_.data(), narrow(static_cast<int64_t>(step_.size())), &graph_));
}

TokenWriter::~TokenWriter() {
  if (graph_ == nullptr) return;
  try {
    c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeDevice(memory_->state.device().index());
  } catch (const c10::Error&) {  // the GPU has failed, and the call that used it has thrown
  }
  cuda::load_library().library->discard(graph_);
}

int TokenWriter::splits_of(const Linear& layer) const {
  return cuda::choose_splits(layer.packed(), multiprocessors());
}

// Adds a call that multiplies x [B, .] by a layer's weight. The product goes to `sums`, or activated to m.activated
// when `sums` is undefined. Returns the number of parts that the sums are split into.
int TokenWriter::add_product(const Linear& layer, const at::Tensor& x, const at::Tensor& sums) {
  const Memory& m = *memory_;
  const bool activated = !sums.defined();
  cuda::Call call{.kernel = cuda::Kernel::linear, .linear = {}};
  call.linear = {.weight = layer.packed(),
                 .x = bits(x),
                 .x_stride = narrow(x.size(1)),
                 .batch = narrow(m.batch),
                 .splits = activated ? 1 : splits_of(layer),
                 .sums = activated ? nullptr : sums.data_ptr<float>(),
                 .activated = activated ? bits(m.activated) : nullptr,
                 .activated_stride = narrow(m.activated.size(1))};
  step_.push_back(call);
  return call.linear.splits;
}

// Adds a call that norms the sums, adds them to the residual, and norms the residual for the next product. post: weight
// of the first norm; undefined at the beginning of a token, whose embedding becomes the residual. pre: weight of the
// second norm.
void TokenWriter::add_norm(int splits, const at::Tensor& post, const at::Tensor& pre) {
  const Memory& m = *memory_;
  cuda::Call call{.kernel = cuda::Kernel::norm, .norm = {}};
  call.norm = {.y = m.summed.data_ptr<float>(),
               .splits = splits,
               .post_weight = bits(post),
               .tokens = post.defined() ? nullptr : m.part(Memory::kTokens).data_ptr<int>(),
               .embedding = bits(transformer_.embedding().weight()),
               .before = bits(m.residual[norms_ % 2]),
               .residual = bits(m.residual[1 - norms_ % 2]),
               .pre_weight = bits(pre),
               .x = bits(m.x),
               .x_stride = narrow(m.x.size(1)),
               .batch = narrow(m.batch),
               .dim = narrow(transformer_.config().dim),
               .own_x = 0,
               .eps = static_cast<float>(transformer_.config().norm_eps)};
  ++norms_;
  step_.push_back(call);
}

void TokenWriter::add_attention(const PriorLayer& layer, int64_t index, int qkv_splits) {
  const Memory& m = *memory_;
  const PriorConfig& c = transformer_.config();
  const at::Tensor cache = m.cache.layer(index);
  cuda::Call call{.kernel = cuda::Kernel::attention, .attention = {}};
  call.attention = {.qkv = m.qkv.data_ptr<float>(),
                    .qkv_splits = qkv_splits,
                    .bias = bits(layer.attention.qkv.bias()),
                    .cosines = bits(m.cosines),
                    .sines = bits(m.sines),
                    .keys = bits(cache[0]),
                    .values = bits(cache[1]),
                    .lengths = m.part(Memory::kLengths).data_ptr<int>(),
                    .partial = m.partial.data_ptr<float>(),
                    .partial_max = m.partial_max.data_ptr<float>(),
                    .out = bits(m.attended),
                    .out_stride = narrow(m.attended.size(1)),
                    .batch = narrow(m.batch),
                    .kv_heads = narrow(c.kv_heads),
                    .capacity = narrow(m.capacity),
                    .rotary = narrow(c.rotary_dim()),
                    .chunks = narrow(m.partial.size(2)),
                    .scale = static_cast<float>(std::pow(static_cast<double>(c.head_dim), -0.5))};
  step_.push_back(call);
}

void TokenWriter::add_sample(int splits) {
  const Memory& m = *memory_;
  const PriorConfig& c = transformer_.config();
  const SamplingOptions& s = rules_.sampling;
  cuda::Call call{.kernel = cuda::Kernel::sample, .sample = {}};
  call.sample = {.logits = m.logits.data_ptr<float>(),
                 .splits = splits,
                 .batch = narrow(m.batch),
                 .vocab = narrow(c.vision_vocab),
                 .codebook = narrow(rules_.codebook),
                 .temperature = static_cast<float>(s.temperature),
                 .dropped_mass = s.top_p < 1.0 ? static_cast<float>(1.0 - s.top_p) : -1.0f,
                 .top_k = narrow(std::min(s.top_k, c.vision_vocab)),
                 .greedy = s.greedy ? 1 : 0,
                 .mask = rules_.mask ? 1 : 0,
                 .seeds = reinterpret_cast<const uint64_t*>(m.seeds.data_ptr<int64_t>()),
                 .exponentials = m.exponentials.defined() ? m.exponentials.data_ptr<float>() : nullptr,
                 .totals = m.part(Memory::kTotals).data_ptr<int>(),
                 .counts = m.part(Memory::kCounts).data_ptr<int>(),
                 .lengths = m.part(Memory::kLengths).data_ptr<int>(),
                 .tokens = m.part(Memory::kTokens).data_ptr<int>(),
                 .written = m.written.data_ptr<int>(),
                 .written_stride = narrow(m.written.size(1)),
                 .not_finite = m.part(Memory::kNotFinite).data_ptr<int>(),
                 .advance = 1};
  step_.push_back(call);
}

void TokenWriter::describe_step() {
  Memory& m = *memory_;
  const PriorConfig& c = transformer_.config();
  const PriorLayer& any = transformer_.layers().front();
  const auto sums_for = [&](const Linear& layer) {
    return at::empty({splits_of(layer), m.batch, layer.packed().rows}, m.partial.options());
  };
  m.qkv = sums_for(any.attention.qkv);
  const at::Tensor of_output = sums_for(any.attention.output);
  const at::Tensor of_down = sums_for(any.down);
  m.summed = of_output.numel() > of_down.numel() ? of_output : of_down;
  m.logits = sums_for(transformer_.head());

  add_norm(0, {}, any.input_norm.weight());
  for (int64_t i = 0; i < c.layers; ++i) {
    const PriorLayer& layer = transformer_.layers()[static_cast<size_t>(i)];
    add_attention(layer, i, add_product(layer.attention.qkv, m.x, m.qkv));
    add_norm(add_product(layer.attention.output, m.attended, m.summed), layer.post_attention_norm.weight(),
             layer.pre_mlp_norm.weight());
    add_product(layer.gate_up, m.x, {});
    const RmsNorm& next =
        i + 1 == c.layers ? transformer_.norm() : transformer_.layers()[static_cast<size_t>(i) + 1].input_norm;
    add_norm(add_product(layer.down, m.activated, m.summed), layer.post_mlp_norm.weight(), next.weight());
  }
  add_sample(add_product(transformer_.head(), m.x, m.logits));
}

void TokenWriter::draw_exponentials() {
  Memory& m = *memory_;
  if (m.random.empty() || rules_.sampling.greedy) return;
  at::Tensor host = at::empty(m.exponentials.sizes(), at::TensorOptions(at::kFloat).pinned_memory(true));
  for (int64_t k = 0; k < m.batch; ++k) {
    host[k].copy_(m.random[static_cast<size_t>(k)]->exponential({host.size(1)}));
  }
  m.exponentials.copy_(host, /*non_blocking=*/true);
}

void TokenWriter::queue(int64_t steps) {
  const cuda::Library& library = *cuda::load_library().library;
  void* const stream =
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(memory_->state.device()).native_handle();
  if (memory_->random.empty()) {
    check(library.replay(graph_, narrow(steps), stream));
    return;
  }
  for (int64_t i = 0; i < steps; ++i) {
    draw_exponentials();
    check(library.replay(graph_, 1, stream));
  }
}

struct TokenWriter::ReadBack {
  explicit ReadBack(const Memory& m)
      : state(at::empty(m.state.sizes(), at::TensorOptions(at::kInt).pinned_memory(true))),
        written(at::empty(m.written.sizes(), at::TensorOptions(at::kInt).pinned_memory(true))),
        arrived(c10::DeviceType::CUDA) {}

  void fetch(const Memory& m) {
    state.copy_(m.state, /*non_blocking=*/true);
    written.copy_(m.written, /*non_blocking=*/true);
    arrived.record(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(m.state.device()));
  }

  at::Tensor state, written;
  c10::Event arrived;
};

// Says which of these ids end a row. ids: i64 or i32 [n] -> bool [n]
at::Tensor TokenWriter::ends_in(const at::Tensor& ids) const {
  return at::isin(ids, at::tensor(rules_.eos, ids.options()));
}

// Waits for a block and reports it to `done`. Returns whether every row has ended. Throws Error(model).
bool TokenWriter::see(const ReadBack& block, const std::function<void(int64_t)>& done) const {
  block.arrived.synchronize();
  const Memory& m = *memory_;
  const auto state = block.state.accessor<int, 2>();
  int64_t sum = 0;
  bool all = true;
  for (int64_t k = 0; k < m.batch; ++k) {
    if (state[Memory::kNotFinite][k] != 0) throw not_finite("prior's logits");
    const int64_t count = state[Memory::kCounts][k];
    sum += count;
    const bool ended = count >= m.totals[static_cast<size_t>(k)] ||
                       (!rules_.mask && ends_in(block.written[k].slice(0, 0, count)).any().item<bool>());
    all = all && ended;
  }
  done(sum);
  return all;
}

std::vector<at::Tensor> TokenWriter::run(const std::function<void(int64_t)>& done) {
  Memory& m = *memory_;
  ReadBack blocks[2] = {ReadBack(m), ReadBack(m)};
  blocks[0].fetch(m);
  int64_t queued = 1;
  int current = 0;
  while (queued < m.longest) {  // the GPU computes one block while the host looks at the one before
    const int64_t steps = std::min(kBlockTokens, m.longest - queued);
    queue(steps);
    queued += steps;
    blocks[1 - current].fetch(m);
    const bool ended = see(blocks[current], done);
    current = 1 - current;
    if (ended) break;
  }
  see(blocks[current], done);

  std::vector<at::Tensor> tokens;
  for (int64_t k = 0; k < m.batch; ++k) {
    const int64_t total = m.totals[static_cast<size_t>(k)];
    const at::Tensor row = blocks[current].written[k].slice(0, 0, total).to(at::kLong);
    int64_t count = std::min<int64_t>(total, blocks[current].state[Memory::kCounts][k].item<int>());
    if (!rules_.mask) {
      const at::Tensor ends = ends_in(row.slice(0, 0, count)).nonzero();
      if (ends.numel() > 0) count = ends[0].item<int64_t>() + 1;
    }
    tokens.push_back(row.slice(0, 0, count).unsqueeze(0).clone());
  }
  return tokens;
}

}  // namespace glm
