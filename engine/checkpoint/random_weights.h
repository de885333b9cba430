// Weights without a checkpoint: for measuring speed and memory where nobody has downloaded one.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace glm {

// A tensor drawn on its device; the same name, shape, type and kind of device give the same numbers. Scaled so that
// activations stay finite: matrices and convolutions have a standard deviation of 1 / sqrt(inputs), embeddings of 1,
// biases of 0.02; norms' weights are 1.
at::Tensor random_weight(const std::string& name, at::IntArrayRef shape, const at::TensorOptions& options);

}  // namespace glm
