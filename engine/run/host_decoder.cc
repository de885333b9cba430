#include "engine/run/host_decoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/refuse.h"
#include "kernels/host/elementwise.h"
#include "kernels/host/products.h"
#include "kernels/host/threads.h"

namespace glm {
namespace {

constexpr int64_t kHeadsTogether = 8;  // query heads that a thread attends with at a time

float* row_of(const at::Tensor& rows, int64_t row) {
  return rows.data_ptr<float>() + row * rows.size(1);
}

const void* bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

}  // namespace

// Where a row writes its key and value, and what it is rotated by.
class HostDecoder::Place {
 public:
  Place(const HostRow& row, const PriorConfig& c, host::Type type) : index_(row.place) {
    const at::Tensor first = row.state->cache.layer(0);  // [2, 1, Hkv, capacity, head]; the other layers follow it
    heads_ = first.size(2);
    place_bytes_ = first.size(4) * first.element_size();
    head_bytes_ = first.size(3) * place_bytes_;
    cache_ = static_cast<char*>(first.data_ptr());
    const RotaryTable table = row.state->rotary.rows(index_, index_ + 1);
    rotation_ = {bytes_of(table.cos), bytes_of(table.sin), type, c.head_dim, c.rotary_dim()};
  }

  int64_t length() const { return index_ + 1; }  // of what the row attends to
  const host::Rotation& rotation() const { return rotation_; }
  // Keys and values [capacity, head] of a layer's head.
  char* keys(int64_t layer, int64_t head) const { return cache_ + (2 * layer * heads_ + head) * head_bytes_; }
  char* values(int64_t layer, int64_t head) const { return keys(layer, heads_ + head); }
  int64_t offset() const { return index_ * place_bytes_; }  // of the row's own key and value in these

 private:
  int64_t index_, heads_, head_bytes_, place_bytes_;
  char* cache_;
  host::Rotation rotation_;
};

HostDecoder::HostDecoder(const PriorTransformer& transformer)
    : transformer_(transformer),
      c_(transformer.config()),
      kernels_(host::best_kernels()),
      type_(transformer.embedding().weight().scalar_type() == at::kBFloat16 ? host::Type::bf16 : host::Type::fp32) {
  const auto room = [](int64_t columns) { return at::empty({host::kMostRows, columns}, at::kFloat); };
  residual_ = room(c_.dim);
  x_ = room(c_.dim);
  qkv_ = room((c_.heads + 2 * c_.kv_heads) * c_.head_dim);
  attended_ = room(c_.heads * c_.head_dim);
  gate_up_ = room(2 * c_.inner_dim);
  logits_ = room(c_.vision_vocab);
}

HostDecoder::~HostDecoder() = default;

at::Tensor HostDecoder::forward(std::span<const HostRow> rows, const std::function<void()>& poll) {
  rows_ = static_cast<int64_t>(rows.size());
  places_.clear();
  for (const HostRow& row : rows) places_.emplace_back(row, c_, type_);
  embed(rows);
  int64_t index = 0;
  for (const PriorLayer& layer : transformer_.layers()) {
    poll();
    norm(residual_, layer.input_norm, x_);
    multiply(x_, layer.attention.qkv, qkv_);
    place_keys(index);
    attend(index);
    multiply(attended_, layer.attention.output, x_);
    add_normed(x_, layer.post_attention_norm);
    norm(residual_, layer.pre_mlp_norm, x_);
    multiply(x_, layer.gate_up, gate_up_);
    for (int64_t r = 0; r < rows_; ++r) {
      host::silu_multiply(type_, c_.inner_dim, row_of(gate_up_, r));
    }
    multiply(gate_up_, layer.down, x_);
    add_normed(x_, layer.post_mlp_norm);
    ++index;
  }
  norm(residual_, transformer_.norm(), x_);
  multiply(x_, transformer_.head(), logits_);
  return logits_.slice(0, 0, rows_);
}

void HostDecoder::embed(std::span<const HostRow> rows) {
  const at::Tensor& table = transformer_.embedding().weight();
  const auto* const bytes = static_cast<const char*>(table.const_data_ptr());
  for (int64_t r = 0; r < rows_; ++r) {
    const int64_t token = rows[static_cast<size_t>(r)].token;
    if (token < 0 || token >= table.size(0)) {
      refuse(ErrorCode::model, "a token of the prior", "one below vocab_size (" + std::to_string(table.size(0)) + ")",
             std::to_string(token));
    }
    host::widen(bytes + token * c_.dim * table.element_size(), type_, c_.dim, row_of(residual_, r));
  }
}

// Multiplies the rows of x by a layer's weight. x: [16, in or more] -> y [16, out]
void HostDecoder::multiply(const at::Tensor& x, const Linear& layer, const at::Tensor& y) {
  layer.multiply_rows({.weight = {},
                       .x = row_of(x, 0),
                       .x_stride = x.size(1),
                       .rows = rows_,
                       .y = row_of(y, 0),
                       .y_stride = y.size(1)});
  for (int64_t r = 0; r < rows_; ++r) host::finish_product(bytes_of(layer.bias()), type_, layer.out(), row_of(y, r));
}

void HostDecoder::norm(const at::Tensor& from, const RmsNorm& norm, const at::Tensor& to) {
  for (int64_t r = 0; r < rows_; ++r) {
    host::rms_norm(row_of(from, r), bytes_of(norm.weight()), type_, c_.dim, static_cast<float>(c_.norm_eps),
                   row_of(to, r));
  }
}

void HostDecoder::add_normed(const at::Tensor& y, const RmsNorm& norm) {
  this->norm(y, norm, y);
  for (int64_t r = 0; r < rows_; ++r) host::add(row_of(y, r), type_, c_.dim, row_of(residual_, r));
}

// Rotates queries and keys, and writes keys and values of all rows before any row attends to them.
void HostDecoder::place_keys(int64_t layer) {
  for (int64_t r = 0; r < rows_; ++r) {
    const Place& place = places_[static_cast<size_t>(r)];
    float* const queries = row_of(qkv_, r);
    const float* const keys = queries + c_.heads * c_.head_dim;
    host::rotate(place.rotation(), c_.heads + c_.kv_heads, queries);
    for (int64_t h = 0; h < c_.kv_heads; ++h) {
      const float* const key = keys + h * c_.head_dim;
      host::narrow(key, c_.head_dim, type_, place.keys(layer, h) + place.offset());
      host::narrow(key + c_.kv_heads * c_.head_dim, c_.head_dim, type_, place.values(layer, h) + place.offset());
    }
  }
}

void HostDecoder::attend(int64_t layer) {
  const int64_t group = c_.heads / c_.kv_heads;  // query heads of a key/value head
  const int64_t parts = (group + kHeadsTogether - 1) / kHeadsTogether;
  const auto scale = static_cast<float>(std::pow(static_cast<double>(c_.head_dim), -0.5));
  host::on_threads(rows_ * c_.kv_heads * parts, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t r = i / (c_.kv_heads * parts);
      const int64_t h = i / parts % c_.kv_heads;
      const int64_t first = i % parts * kHeadsTogether;
      const Place& place = places_[static_cast<size_t>(r)];
      const int64_t heads = std::min(kHeadsTogether, group - first);
      const int64_t offset = (h * group + first) * c_.head_dim;
      scores.resize(static_cast<size_t>(heads * place.length()));
      kernels_.attend({.q = row_of(qkv_, r) + offset,
                       .keys = place.keys(layer, h),
                       .values = place.values(layer, h),
                       .type = type_,
                       .heads = heads,
                       .head = c_.head_dim,
                       .length = place.length(),
                       .scale = scale,
                       .scores = scores.data(),
                       .out = row_of(attended_, r) + offset});
    }
  });
  for (int64_t r = 0; r < rows_; ++r) host::finish_product(nullptr, type_, attended_.size(1), row_of(attended_, r));
}

}  // namespace glm
