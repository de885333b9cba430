#include "engine/run/device_decoder.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "glm/error.h"
#include "kernels/cuda_calls.h"

namespace glm {
namespace {

using cuda::bf16_bits;

bf16_bits* bits(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<bf16_bits*>(tensor.data_ptr<at::BFloat16>()) : nullptr;
}
int64_t padded(int64_t inner) {
  return (inner + cuda::kBlockInner - 1) / cuda::kBlockInner * cuda::kBlockInner;
}

int64_t largest_capacity(const std::vector<DevicePicture>& pictures) {
  int64_t most = 0;
  for (const DevicePicture& picture : pictures) most = std::max(most, picture.prompt->rotary.cos.size(0));
  return most + 1;  // one more: a picture that has ended keeps writing behind its end
}

}  // namespace

struct DeviceDecoder::Memory {
  Memory(const PriorTransformer& transformer, const cuda::Library& library, const std::vector<DevicePicture>& pictures,
         int64_t rows);

  int splits_of(const Linear& layer) const {
    cuda::PackedWeight whole = layer.packed()[0];
    whole.rows = narrow(layer.out());
    return cuda::choose_splits(whole, multiprocessors);
  }

  int multiprocessors;
  int64_t capacity;
  KvCache cache;                      // a row for each picture
  at::Tensor cosines, sines;          // bf16 [pictures, capacity, R]
  at::Tensor residual;                // bf16 [2, rows, D]: a norm reads one and writes the other
  at::Tensor x, attended, activated;  // bf16 [rows, .], padded with zeros
  at::Tensor qkv, summed, logits;     // fp32 [splits, rows, .]
  at::Tensor partial, partial_max;    // attention's parts, as AttentionParams has them
};

DeviceDecoder::Memory::Memory(const PriorTransformer& transformer, const cuda::Library& library,
                              const std::vector<DevicePicture>& pictures, int64_t rows)
    : multiprocessors(library.multiprocessors()),
      capacity(largest_capacity(pictures)),
      cache(transformer.config(), static_cast<int64_t>(pictures.size()), capacity, pictures[0].logits.options()) {
  if (multiprocessors < 1) throw Error(ErrorCode::device, "the GPU doesn't answer any more; start the program again");
  const PriorConfig& c = transformer.config();
  const at::TensorOptions device = pictures[0].logits.options();
  const auto zeros = [&](at::IntArrayRef shape) { return at::zeros(shape, device.dtype(at::kBFloat16)); };
  const auto wide = [&](at::IntArrayRef shape) { return at::empty(shape, device.dtype(at::kFloat)); };

  cosines = zeros({static_cast<int64_t>(pictures.size()), capacity, c.rotary_dim()});
  sines = at::zeros_like(cosines);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto k = static_cast<int64_t>(i);
    const DecodeState& prompt = *pictures[i].prompt;
    const int64_t positions = prompt.rotary.cos.size(0);
    cosines[k].slice(0, 0, positions).copy_(prompt.rotary.cos);
    sines[k].slice(0, 0, positions).copy_(prompt.rotary.sin);
    cache.copy_row(k, prompt.cache, prompt.length);
  }
  residual = zeros({2, rows, c.dim});
  x = zeros({rows, padded(c.dim)});
  attended = zeros({rows, padded(c.heads * c.head_dim)});
  activated = zeros({rows, padded(c.inner_dim)});
  const int64_t chunks = capacity / cuda::kChunk + 1;
  partial = wide({rows, c.kv_heads, chunks, cuda::kGroupHeads, cuda::kHeadDim});
  partial_max = wide({rows, c.kv_heads, chunks, 2, cuda::kGroupHeads});
  const auto sums_for = [&](const Linear& layer) { return wide({splits_of(layer), rows, layer.out()}); };
  const PriorLayer& any = transformer.layers().front();
  qkv = sums_for(any.attention.qkv);
  const at::Tensor of_output = sums_for(any.attention.output);
  const at::Tensor of_down = sums_for(any.down);
  summed = of_output.numel() > of_down.numel() ? of_output : of_down;
  logits = sums_for(transformer.head());
}

bool DeviceDecoder::fits(const PriorConfig& c) {
  return c.head_dim % 8 == 0 && c.head_dim <= cuda::kHeadDim && c.heads % c.kv_heads == 0 &&
         c.heads <= c.kv_heads * cuda::kGroupHeads && c.dim % cuda::kTileRows == 0 && c.dim <= cuda::kMaxDim &&
         c.inner_dim % 8 == 0 && c.vision_vocab % cuda::kTileRows == 0 && c.vision_vocab <= cuda::kMaxVocab &&
         c.rotary_dim() >= 8 && std::has_single_bit(static_cast<uint64_t>(c.rotary_dim()));
}

// Describes a pass.
class DeviceDecoder::Step {
 public:
  Step(const DeviceDecoder& decoder, int64_t rows)
      : d_(decoder), m_(*decoder.memory_), c_(decoder.transformer_.config()), rows_(rows) {}

  std::vector<cuda::Call> calls() {
    const PriorTransformer& transformer = d_.transformer_;
    add_norm(0, {}, transformer.layers().front().input_norm.weight());
    for (int64_t i = 0; i < c_.layers; ++i) {
      const PriorLayer& layer = transformer.layers()[static_cast<size_t>(i)];
      add_attention(layer, i, add_product(layer.attention.qkv, m_.x, m_.qkv));
      add_norm(add_product(layer.attention.output, m_.attended, m_.summed), layer.post_attention_norm.weight(),
               layer.pre_mlp_norm.weight());
      add_product(layer.gate_up, m_.x, {});
      const RmsNorm& next =
          i + 1 == c_.layers ? transformer.norm() : transformer.layers()[static_cast<size_t>(i) + 1].input_norm;
      add_norm(add_product(layer.down, m_.activated, m_.summed), layer.post_mlp_norm.weight(), next.weight());
    }
    add_sample(add_product(transformer.head(), m_.x, m_.logits));
    return calls_;
  }

  // Describes the draw of the first tokens, whose logits are the prompts'.
  std::vector<cuda::Call> first_draw() {
    add_sample(m_.splits_of(d_.transformer_.head()));
    calls_.back().sample.advance = 0;
    return calls_;
  }

 private:
  int add_product(const Linear& layer, const at::Tensor& x, const at::Tensor& sums);
  void add_norm(int splits, const at::Tensor& post, const at::Tensor& pre);
  void add_attention(const PriorLayer& layer, int64_t index, int qkv_splits);
  void add_sample(int splits);

  int* state(State which) const { return d_.state[which].data_ptr<int>(); }

  const DeviceDecoder& d_;
  const Memory& m_;
  const PriorConfig& c_;
  int64_t rows_;
  std::vector<cuda::Call> calls_;
  int norms_ = 0;  // so far
};

// Adds calls that multiply x [rows, .] by a layer's weights, which are several where a checkpoint has parts of the
// layer in codes of several kinds. They write the product to `sums`, side by side. If `sums` is undefined, the layer
// has one weight, and the call writes silu(gate) * up to m_.activated instead. Returns the number of parts that the
// sums are split into.
int DeviceDecoder::Step::add_product(const Linear& layer, const at::Tensor& x, const at::Tensor& sums) {
  const bool activated = !sums.defined();
  const int splits = activated ? 1 : m_.splits_of(layer);
  int64_t row = 0;
  for (const cuda::PackedWeight& weight : layer.packed()) {
    cuda::Call call{.kernel = cuda::Kernel::linear, .linear = {}};
    call.linear = {.weight = weight,
                   .x = bits(x),
                   .x_stride = narrow(x.size(1)),
                   .batch = narrow(rows_),
                   .splits = splits,
                   .sums = activated ? nullptr : sums.data_ptr<float>() + row,
                   .sums_stride = narrow(layer.out()),
                   .activated = activated ? bits(m_.activated) : nullptr,
                   .activated_stride = narrow(m_.activated.size(1))};
    calls_.push_back(call);
    row += weight.rows;
  }
  return splits;
}

// Adds a call that norms the sums, adds them to the residual, and norms the residual for the next product. post: weight
// of the first norm; undefined at the beginning of a pass, where the tokens' embeddings become the residual. pre:
// weight of the second norm.
void DeviceDecoder::Step::add_norm(int splits, const at::Tensor& post, const at::Tensor& pre) {
  cuda::Call call{.kernel = cuda::Kernel::norm, .norm = {}};
  call.norm = {.y = m_.summed.data_ptr<float>(),
               .splits = splits,
               .post_weight = bits(post),
               .tokens = post.defined() ? nullptr : state(kTokens),
               .embedding = bits(d_.transformer_.embedding().weight()),
               .before = bits(m_.residual[norms_ % 2]),
               .residual = bits(m_.residual[1 - norms_ % 2]),
               .pre_weight = bits(pre),
               .x = bits(m_.x),
               .x_stride = narrow(m_.x.size(1)),
               .batch = narrow(rows_),
               .dim = narrow(c_.dim),
               .own_x = 0,
               .eps = static_cast<float>(c_.norm_eps)};
  ++norms_;
  calls_.push_back(call);
}

void DeviceDecoder::Step::add_attention(const PriorLayer& layer, int64_t index, int qkv_splits) {
  const at::Tensor cache = m_.cache.layer(index);
  cuda::Call call{.kernel = cuda::Kernel::attention, .attention = {}};
  call.attention = {.qkv = m_.qkv.data_ptr<float>(),
                    .qkv_splits = qkv_splits,
                    .bias = bits(layer.attention.qkv.bias()),
                    .cosines = bits(m_.cosines),
                    .sines = bits(m_.sines),
                    .keys = bits(cache[0]),
                    .values = bits(cache[1]),
                    .lengths = state(kLengths),
                    .pictures = d_.pass_ == Pass::several ? state(kPictures) : nullptr,
                    .partial = m_.partial.data_ptr<float>(),
                    .partial_max = m_.partial_max.data_ptr<float>(),
                    .out = bits(m_.attended),
                    .out_stride = narrow(m_.attended.size(1)),
                    .head_dim = narrow(c_.head_dim),
                    .group = narrow(c_.heads / c_.kv_heads),
                    .batch = narrow(rows_),
                    .kv_heads = narrow(c_.kv_heads),
                    .capacity = narrow(m_.capacity),
                    .rotary = narrow(c_.rotary_dim()),
                    .chunks = narrow(m_.partial.size(2)),
                    .scale = static_cast<float>(std::pow(static_cast<double>(c_.head_dim), -0.5))};
  calls_.push_back(call);
}

void DeviceDecoder::Step::add_sample(int splits) {
  const SamplingOptions& s = d_.rules_.sampling;
  const at::Tensor& written = d_.written;
  cuda::Call call{.kernel = cuda::Kernel::sample, .sample = {}};
  call.sample = {.logits = m_.logits.data_ptr<float>(),
                 .splits = splits,
                 .batch = narrow(rows_),
                 .vocab = narrow(c_.vision_vocab),
                 .codebook = narrow(d_.rules_.codebook),
                 .temperature = static_cast<float>(s.temperature),
                 .dropped_mass = s.top_p < 1.0 ? static_cast<float>(1.0 - s.top_p) : -1.0f,
                 .top_k = narrow(std::min(s.top_k, c_.vision_vocab)),
                 .greedy = s.greedy ? 1 : 0,
                 .mask = d_.rules_.mask ? 1 : 0,
                 .seeds = reinterpret_cast<const uint64_t*>(d_.seeds.data_ptr<int64_t>()),
                 .exponentials = d_.exponentials.defined() ? d_.exponentials.data_ptr<float>() : nullptr,
                 .totals = state(kTotals),
                 .counts = state(kCounts),
                 .lengths = state(kLengths),
                 .tokens = state(kTokens),
                 .written = d_.pass_ == Pass::several ? nullptr : written.data_ptr<int>(),
                 .written_stride = narrow(written.size(1)),
                 .not_finite = state(kNotFinite),
                 .advance = 1};
  calls_.push_back(call);
}

DeviceDecoder::DeviceDecoder(const PriorTransformer& transformer, const cuda::Library& library,
                             const std::vector<DevicePicture>& pictures, const TokenRules& rules, Pass pass)
    : transformer_(transformer), library_(library), rules_(rules), pass_(pass), graphs_(cuda::kMaxBatch + 1) {
  const at::TensorOptions device = pictures[0].logits.options();
  const auto count = static_cast<int64_t>(pictures.size());
  const int64_t rows = pass == Pass::several ? cuda::kMaxBatch : count;
  memory_ = std::make_unique<Memory>(transformer, library, pictures, rows);
  at::Tensor own = at::zeros({kStates, rows}, at::kInt);
  at::Tensor own_seeds = at::zeros({rows}, at::kLong);
  int64_t longest = 0;
  at::Tensor logits = memory_->logits.view({-1})
                          .slice(0, 0, memory_->logits.size(0) * count * transformer.config().vision_vocab)
                          .view({-1, count, transformer.config().vision_vocab});
  logits.zero_();
  for (int64_t k = 0; k < count; ++k) {
    const DevicePicture& picture = pictures[static_cast<size_t>(k)];
    own[kLengths][k] = picture.prompt->length;
    own[kTotals][k] = picture.cells + 1;
    own[kPictures][k] = k;
    own_seeds[k] = static_cast<int64_t>(picture.seed);
    longest = std::max(longest, picture.cells + 1);
    logits[0][k].copy_(picture.logits[0]);
  }
  state = own.to(device.device());
  seeds = own_seeds.to(device.device());
  written = at::zeros({count, longest}, device.dtype(at::kInt));
  if (pictures[0].rng == Rng::cpu && !rules.sampling.greedy) {
    exponentials = at::empty({rows, transformer.config().vision_vocab}, device.dtype(at::kFloat));
  }
}

DeviceDecoder::~DeviceDecoder() {
  try {
    if (!state.device().is_cpu())
      c10::impl::VirtualGuardImpl(state.device().type()).synchronizeDevice(state.device().index());
  } catch (const c10::Error&) {  // the GPU has failed, and the call that used it has thrown
  }
  for (void* graph : graphs_) {
    if (graph != nullptr) library_.discard(graph);
  }
}

void DeviceDecoder::draw_first() {
  const std::vector<cuda::Call> first = Step(*this, written.size(0)).first_draw();
  check_cuda_call(
      library_.run(first.data(), narrow(static_cast<int64_t>(first.size())), current_stream(state.device())));
}

void DeviceDecoder::record(int64_t rows) {
  void*& graph = graphs_[static_cast<size_t>(rows)];
  if (graph != nullptr) return;
  const std::vector<cuda::Call> calls = Step(*this, rows).calls();
  check_cuda_call(library_.record(calls.data(), narrow(static_cast<int64_t>(calls.size())), &graph));
}

void DeviceDecoder::replay(int64_t rows, int64_t times) {
  check_cuda_call(library_.replay(graphs_[static_cast<size_t>(rows)], narrow(times), current_stream(state.device())));
}

}  // namespace glm
