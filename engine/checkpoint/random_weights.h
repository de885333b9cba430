// Weights without a checkpoint: for measuring speed and memory where nobody has downloaded one.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

namespace glm {

// Returns a tensor that is drawn on its device. The same name, shape, dtype and kind of device give the same numbers.
// Standard deviations keep activations finite: 1 / sqrt(inputs) for matrices and convolutions, 1 for embeddings of
// ids and of relative positions, 0.02 for biases. Weights of norms are all 1.
at::Tensor random_weight(const std::string& name, at::IntArrayRef shape, const at::TensorOptions& options);

// Draws the same numbers on the CPU, and hands them to `take` part by part, in their order: each part is of one
// dimension, and of at most 128 MiB where the tensor can be drawn in parts.
void draw_random_weight(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype,
                        const std::function<void(const at::Tensor& part)>& take);

}  // namespace glm
