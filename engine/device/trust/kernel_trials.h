// Calls of our kernels with inputs of their own, and ATen's answers to them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "engine/device/trust/kernel_trial.h"

namespace glm {

using VisitTrial = std::function<void(const KernelTrial&)>;

// Small shapes, and with `real` the public model's too, one after the other: each trial's memory (at most about 1.2 GB)
// is given back before the next. On any device; fresh random numbers.
void visit_kernel_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit);

// The linear ones, and the others.
void visit_linear_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit);
void visit_attention_trials(at::Device device, bool real, const VisitTrial& visit);
void visit_norm_trials(at::Device device, bool real, const VisitTrial& visit);
void visit_sample_trials(at::Device device, bool real, const VisitTrial& visit);

}  // namespace glm
