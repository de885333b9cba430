// Contract: computes, with all threads of a CPU, what the rows go through between two products of the diffusion
//   transformer, in fp32 or bf16. The bits of a row depend on nothing but that row. decoder_kernels.h says more.
//   Upstream: GlmImageTransformerBlock, GlmImageAttnProcessor, torch.nn.functional.gelu
// Roofline: memory; one pass over the rows each.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "kernels/decoder_kernels.h"

namespace glm::host {

// Says whether these functions can read these rows, and rows of these tables. x: [R, ...]; tables: [G, D] each
bool takes_rows(const at::Tensor& x, const std::vector<at::Tensor>& tables);
// Says whether norm_heads() can read this table for these sequences. head: features of a head
bool takes_rotation(const RotaryTable& rotary, const std::vector<SequenceRows>& sequences, int64_t head);

// Does what DecoderKernels::modulate() says. The groups are all rows, in order. x: [R, D] -> [R, D]
at::Tensor modulate(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                    const std::optional<Modulation>& modulation, double eps);

// Does what DecoderKernels::norm_heads() says, in place. qkv: [R, 3, H, head]
void norm_heads(const at::Tensor& qkv, const std::vector<SequenceRows>& sequences, const RotaryTable& rotary,
                double eps);

// Replaces each number by its GELU, in upstream's approximation by tanh. x: [R, D]
void gelu_tanh(const at::Tensor& x);

}  // namespace glm::host
