// Positions and rotary tables of the prior (M-RoPE) and of the image decoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "kernels/rotary.h"

namespace glm {

// Positions of a prompt of `length` ids, on the axes t, h, w: i64 [3, 1, L]. It begins with the references, whose grids
// are `sources`: of each the begin takes a position as text does, the token at (row, col) has (d, d + row, d + col), d
// the next position, and what follows, the end first, comes max(height, width) later.
// Upstream: GlmImageModel.get_rope_index
at::Tensor prompt_positions(int64_t length, const std::vector<Grid>& sources = {});

// The position after the prompt's last: not `length` where references are.
int64_t position_after(const at::Tensor& positions);

// Positions of generated tokens when they are fed back, grid after grid: the token at (row, col) of a grid that starts
// at cursor d has (d, d + row, d + col), and the next grid starts max(height, width) later. i64 [3, 1, sum of h*w]
// Upstream: GlmImageModel.get_rope_index, the decode positions
at::Tensor grid_positions(int64_t start, const std::vector<Grid>& grids);

// cos and sin for `positions` i64 [3, 1, L], rounded to `dtype`, on their device. Upstream: GlmImageTextRotaryEmbedding
RotaryTable mrope_table(const PriorConfig& c, const at::Tensor& positions, at::ScalarType dtype);  // [L, R]

// Row and column angles of a patch grid, fp32, row-major. Upstream: GlmImageRotaryPosEmbed
RotaryTable patch_rotary_table(int64_t head_dim, int64_t rows, int64_t columns,
                               at::Device device);  // [rows * columns, head]

}  // namespace glm
