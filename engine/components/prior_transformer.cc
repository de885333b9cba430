#include "engine/components/prior_transformer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "engine/components/layers/rope.h"
#include "kernels/attention.h"

namespace glm {
namespace {

std::optional<Linear::Packing> packing_of(std::optional<cuda::Format> format,
                                          PackedWeight::Rows rows = PackedWeight::Rows::plain) {
  return format ? std::optional<Linear::Packing>({*format, rows}) : std::nullopt;
}

}  // namespace

PriorAttention::PriorAttention(const Weights& w, const PriorConfig& c, std::optional<cuda::Format> packing)
    : qkv({{w / "q_proj", c.heads * c.head_dim},
           {w / "k_proj", c.kv_heads * c.head_dim},
           {w / "v_proj", c.kv_heads * c.head_dim}},
          c.dim, c.attention_bias ? Linear::Bias::yes : Linear::Bias::no, packing_of(packing)),
      output(w / "o_proj", c.heads * c.head_dim, c.dim, Linear::Bias::no, packing_of(packing)),
      heads(c.heads),
      kv_heads(c.kv_heads),
      head_dim(c.head_dim) {}

at::Tensor PriorAttention::forward(const at::Tensor& x, DecodeState& state, int64_t layer) const {
  const int64_t begin = state.length;
  const int64_t end = begin + x.size(1);
  const at::Tensor all = qkv.forward(x).unflatten(-1, {heads + 2 * kv_heads, head_dim});  // [B, L, Hq + 2 Hkv, head]
  const auto parts = all.split_with_sizes({heads + kv_heads, kv_heads}, 2);
  const at::Tensor qk = rotate(parts[0], state.rotary.rows(begin, end));
  state.cache.write(layer, begin, qk.slice(2, heads), parts[1]);
  return output.forward(
      attention(qk.slice(2, 0, heads), state.cache.keys(layer, end), state.cache.values(layer, end),
                {.scale = std::pow(static_cast<double>(head_dim), -0.5), .causal = x.size(1) > 1, .bias = {}}));
}

PriorLayer::PriorLayer(const Weights& w, const PriorConfig& c, std::optional<cuda::Format> packing)
    : input_norm(w / "input_layernorm", c.dim, c.norm_eps),
      post_attention_norm(w / "post_self_attn_layernorm", c.dim, c.norm_eps),
      pre_mlp_norm(w / "post_attention_layernorm", c.dim,
                   c.norm_eps),  // upstream names it after what it normalises, the sum after attention
      post_mlp_norm(w / "post_mlp_layernorm", c.dim, c.norm_eps),
      attention(w / "self_attn", c, packing),
      gate_up(w / "mlp" / "gate_up_proj", c.dim, 2 * c.inner_dim, Linear::Bias::no,
              packing_of(packing, PackedWeight::Rows::gate_up)),
      down(w / "mlp" / "down_proj", c.inner_dim, c.dim, Linear::Bias::no, packing_of(packing)) {}

at::Tensor PriorLayer::forward(const at::Tensor& x, DecodeState& state, int64_t layer) const {
  const at::Tensor a = x + post_attention_norm.forward(attention.forward(input_norm.forward(x), state, layer));
  return a + post_mlp_norm.forward(mlp(pre_mlp_norm.forward(a)));
}

at::Tensor PriorLayer::mlp(const at::Tensor& x) const {
  const auto halves = gate_up.forward(x).chunk(2, -1);  // the first half is the gate
  return down.forward(halves[1] * at::silu(halves[0]));
}

PriorTransformer::PriorTransformer(const Weights& w, const PriorConfig& c, const PriorKernels& kernels)
    : config_(c),
      decodes_by_kernels_(kernels.decode),
      dtype_(w.dtype()),
      device_(w.device()),
      embed_(w / "model.language_model.embed_tokens", c.vocab, c.dim),
      norm_(w / "model.language_model.norm", c.dim, c.norm_eps),
      head_(w / "lm_head", c.dim, c.vision_vocab, Linear::Bias::no, packing_of(kernels.packing)) {
  for (int64_t i = 0; i < c.layers; ++i)
    layers_.emplace_back(w / "model.language_model.layers" / std::to_string(i), c, kernels.packing);
}

DecodeState PriorTransformer::start(int64_t batch, const at::Tensor& positions) const {
  return {.cache = KvCache(config_, batch, positions.size(-1), at::TensorOptions(dtype_).device(device_)),
          .rotary = mrope_table(config_, positions.to(device_), dtype_),
          .token = at::zeros({batch}, at::TensorOptions(at::kLong).device(device_))};
}

at::Tensor PriorTransformer::prefill(const at::Tensor& ids, DecodeState& state, const Tap& tap) const {
  return forward(ids.to(device_), state, tap);
}

at::Tensor PriorTransformer::step(DecodeState& state) const {
  return forward(state.token.unsqueeze(1), state, {});
}

at::Tensor PriorTransformer::forward(const at::Tensor& ids, DecodeState& state, const Tap& tap) const {
  at::Tensor x = embed_.forward(ids);  // [B, L, D]
  for (size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i].forward(x, state, static_cast<int64_t>(i));
    tap.full("layer" + std::to_string(i), x);
  }
  state.length += ids.size(1);
  return head_.forward(norm_.forward(x.slice(1, -1))).squeeze(1);  // only the last position's logits are needed
}

}  // namespace glm
