// Tensors for kernel bodies to work on: 16-byte aligned, and behind the last 16 bytes comes memory that can't be
// touched.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace glm {

at::Tensor device_copy(const at::Tensor& tensor);
at::Tensor device_empty(at::IntArrayRef shape, at::ScalarType dtype);  // every byte 0xFF: NaN, or -1

template <typename T>
T* data_of(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}
inline uint16_t* bf16_of(const at::Tensor& tensor) {
  return data_of<uint16_t>(tensor);
}
// `x` [rows, n] bf16 as rows of `stride`: zeros up to `zeros_to`, behind them NaN.
at::Tensor device_rows(const at::Tensor& x, int64_t zeros_to, int64_t stride);

}  // namespace glm
