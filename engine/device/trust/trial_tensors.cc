#include "engine/device/trust/trial_tensors.h"

#include <ATen/ATen.h>

#include <cmath>
#include <random>

#include "kernels/random.h"

namespace glm {
namespace {

constexpr double kMostOtherRoundings = 0.02;

}  // namespace

TrialTensors::TrialTensors(at::Device device)
    : device_(device), generator_(new_generator(device, std::random_device()())) {}

at::Tensor TrialTensors::normal(at::IntArrayRef shape, at::ScalarType dtype) const {
  return at::empty(shape, on(dtype)).normal_(0, 1, generator_);
}
at::Tensor TrialTensors::whole(int64_t low, int64_t high, at::IntArrayRef shape, at::ScalarType dtype) const {
  return at::empty(shape, on(dtype)).random_(low, high, generator_);
}
at::Tensor TrialTensors::exponential(at::IntArrayRef shape) const {
  return at::empty(shape, on(at::kFloat)).exponential_(1, generator_).clamp_min_(1e-7);
}
at::Tensor TrialTensors::poison(at::IntArrayRef shape, at::ScalarType dtype) const {
  at::Tensor tensor = at::empty(shape, on(dtype));
  tensor.view(at::kByte).fill_(0xFF);
  return tensor;
}
at::Tensor TrialTensors::ints(const std::vector<int>& values) const {
  return at::tensor(values, at::kInt).to(device_);
}

KernelTrial::Written writes(const at::Tensor& tensor) {
  return {tensor, tensor.clone()};
}

double difference(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor wide = expected.to(at::kDouble);
  return ((actual.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

KernelTrial::Answer rounded_alike(const at::Tensor& actual, const at::Tensor& expected) {
  const auto other = actual.ne(expected).sum().item<int64_t>();
  KernelTrial::Answer answer{difference(actual, expected), {}};
  if (other > 2 && static_cast<double>(other) > kMostOtherRoundings * static_cast<double>(actual.numel())) {
    answer.problem = std::to_string(other) + " of " + std::to_string(actual.numel()) + " numbers differ from ATen's";
  }
  return answer;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous().view(at::kByte);
  const at::Tensor y = b.contiguous().view(at::kByte);
  return at::equal(x, y);
}

KernelTrial::Answer joined(const KernelTrial::Answer& a, const KernelTrial::Answer& b) {
  const bool a_is_worse = std::isnan(a.error) || a.error >= b.error;
  return {a_is_worse ? a.error : b.error, a.problem.empty() ? b.problem : a.problem};
}

}  // namespace glm
