#include "engine/components/layers/kv_cache.h"

#include <ATen/ATen.h>

namespace glm {

KvCache::KvCache(const PriorConfig& c, int64_t batch, int64_t capacity, const at::TensorOptions& options)
    : data_(at::empty({c.layers, 2, batch, c.kv_heads, capacity, c.head_dim}, options)) {}

void KvCache::write(int64_t layer, int64_t begin, const at::Tensor& k, const at::Tensor& v) {
  const int64_t end = begin + k.size(1);
  data_[layer][0].slice(2, begin, end).copy_(k.transpose(1, 2));
  data_[layer][1].slice(2, begin, end).copy_(v.transpose(1, 2));
}

void KvCache::copy_row(int64_t row, const KvCache& from, int64_t length) {
  data_.select(2, row).slice(3, 0, length).copy_(from.data_.select(2, 0).slice(3, 0, length));
}

at::Tensor KvCache::keys(int64_t layer, int64_t length) const {
  return data_[layer][0].slice(2, 0, length).transpose(1, 2);
}

at::Tensor KvCache::values(int64_t layer, int64_t length) const {
  return data_[layer][1].slice(2, 0, length).transpose(1, 2);
}

}  // namespace glm
