// What the trials of kernels are made of: random tensors, and comparisons.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "engine/device/trust/kernel_trial.h"

namespace glm {

// Makes random tensors on a device, from a new seed for each object. It leaves the process's own generators alone.
class TrialTensors {
 public:
  explicit TrialTensors(at::Device device);

  at::TensorOptions on(at::ScalarType dtype) const { return at::TensorOptions(device_).dtype(dtype); }
  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype) const;
  at::Tensor whole(int64_t low, int64_t high, at::IntArrayRef shape, at::ScalarType dtype) const;  // low … high - 1
  at::Tensor exponential(at::IntArrayRef shape) const;
  at::Tensor poison(at::IntArrayRef shape, at::ScalarType dtype) const;  // every byte is 0xFF, which is NaN or -1
  at::Tensor ints(const std::vector<int>& values) const;

 private:
  at::Device device_;
  at::Generator generator_;
};

template <typename T>
T* data_of(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}
inline cuda::bf16_bits* bf16_of(const at::Tensor& tensor) {
  return data_of<cuda::bf16_bits>(tensor);
}

// Describes a tensor that a call writes, with a copy of what it holds now.
KernelTrial::Written writes(const at::Tensor& tensor);

// One bf16 step of the largest value, as a part of that value.
constexpr double kBf16Step = 0x1p-7;

// The tensors below have any shape, and both the same.
//
// Returns the largest difference as a part of the largest expected value, or NaN where anything is NaN.
double difference(const at::Tensor& actual, const at::Tensor& expected);
// Compares bf16 tensors. It is a problem when more than two elements and more than 2 % of them differ, because rounding
// alone doesn't do that.
KernelTrial::Answer rounded_alike(const at::Tensor& actual, const at::Tensor& expected);
bool same_bits(const at::Tensor& a, const at::Tensor& b);
// Returns the larger error and the first problem.
KernelTrial::Answer joined(const KernelTrial::Answer& a, const KernelTrial::Answer& b);

}  // namespace glm
