// Keys and values of the tokens that the prior has seen. They are allocated once for a request.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/config.h"

namespace glm {

class KvCache {
 public:
  KvCache(const PriorConfig& c, int64_t batch, int64_t capacity, const at::TensorOptions& options);

  // Writes k and v, both [B, n, Hkv, head], at the positions begin .. begin+n-1 of a layer.
  void write(int64_t layer, int64_t begin, const at::Tensor& k, const at::Tensor& v);

  // Copies the positions 0 .. length-1 of all layers to `row`, from the only row of another cache.
  void copy_row(int64_t row, const KvCache& from, int64_t length);

  at::Tensor layer(int64_t layer) const { return data_[layer]; }  // [2, B, Hkv, capacity, head], a view

  at::Tensor keys(int64_t layer, int64_t length) const;    // [B, length, Hkv, head], a view
  at::Tensor values(int64_t layer, int64_t length) const;  // [B, length, Hkv, head], a view

 private:
  at::Tensor data_;  // [layer, 2, B, Hkv, capacity, head]
};

}  // namespace glm
