// The trials that a GPU's check consists of: calls of our kernels, with ATen's results beside them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "engine/device/trust/kernel_trial.h"

namespace glm {

using VisitTrial = std::function<void(const KernelTrial&)>;

// Makes trials and hands them to `visit`, one after the other: small shapes, and with `real` the public model's shapes,
// too. The inputs are fresh random numbers on `device`, which may be any. A trial's memory, at most about 1.2 GB, is
// given back before the next shape. multiprocessors: of the GPU, decides how products are split.
void visit_kernel_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit);

// These do the same for one kernel each.
void visit_linear_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit);
void visit_attention_trials(at::Device device, bool real, const VisitTrial& visit);
void visit_norm_trials(at::Device device, bool real, const VisitTrial& visit);
void visit_sample_trials(at::Device device, bool real, const VisitTrial& visit);

}  // namespace glm
