// What the trials of kernels are made of.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "engine/device/trust/kernel_trial.h"

namespace glm {

// Random tensors on a device, seeded anew each time. The process's own generators are left alone.
class TrialTensors {
 public:
  explicit TrialTensors(at::Device device);

  at::TensorOptions on(at::ScalarType dtype) const { return at::TensorOptions(device_).dtype(dtype); }
  at::Tensor normal(at::IntArrayRef shape, at::ScalarType dtype) const;
  at::Tensor whole(int64_t low, int64_t high, at::IntArrayRef shape, at::ScalarType dtype) const;  // low … high - 1
  at::Tensor exponential(at::IntArrayRef shape) const;
  at::Tensor poison(at::IntArrayRef shape, at::ScalarType dtype) const;  // every byte 0xFF: NaN, or -1
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

// A tensor that a call writes, with what is in it now.
KernelTrial::Written writes(const at::Tensor& tensor);

// One step of bf16 of the largest value.
constexpr double kBf16Step = 0x1p-7;

// The largest difference as a part of the largest expected value; NaN where anything is NaN.
double difference(const at::Tensor& actual, const at::Tensor& expected);
// Of bf16 tensors; a problem where more than roundings differ: more than 2 % of the elements, and more than two.
KernelTrial::Answer rounded_alike(const at::Tensor& actual, const at::Tensor& expected);
bool same_bits(const at::Tensor& a, const at::Tensor& b);
// Both: the larger error, the first problem.
KernelTrial::Answer joined(const KernelTrial::Answer& a, const KernelTrial::Answer& b);

}  // namespace glm
