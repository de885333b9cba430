// Keys and values of the tokens that the prior has seen, allocated once for a request.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/config.h"

namespace glm {

class KvCache {
 public:
  KvCache(const PriorConfig& c, int64_t batch, int64_t capacity, const at::TensorOptions& options);

  // Writes k, v [B, n, Hkv, head] of positions begin .. begin+n-1 of a layer.
  void write(int64_t layer, int64_t begin, const at::Tensor& k, const at::Tensor& v);

  // A row of all layers, positions 0 .. length-1, from the only row of another cache.
  void copy_row(int64_t row, const KvCache& from, int64_t length);

  at::Tensor layer(int64_t layer) const { return data_[layer]; }  // [2, B, Hkv, capacity, head], a view

  at::Tensor keys(int64_t layer, int64_t length) const;    // [B, length, Hkv, head], a view
  at::Tensor values(int64_t layer, int64_t length) const;  // [B, length, Hkv, head], a view

 private:
  at::Tensor data_;  // [layer, 2, B, Hkv, capacity, head]
};

}  // namespace glm
