// Positions and rotary tables of the prior (M-RoPE) and of the DiT.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/grid.h"
#include "engine/checkpoint/config.h"
#include "kernels/rotary.h"

namespace glm {

// Returns the positions of a prompt of `length` ids on the axes t, h, w: i64 [3, 1, L]. The prompt begins with the
// references, whose grids are `sources`. A reference's begin takes one position, as text does. If d is the next
// position, its token at (row, col) has (d, d + row, d + col), and its end has the position d + max(height, width).
// Upstream: GlmImageModel.get_rope_index
at::Tensor prompt_positions(int64_t length, const std::vector<Grid>& sources = {});

// Returns the position that follows a prompt. positions: the prompt's, i64 [3, 1, L]. Without references the result is
// L. With references it isn't, because the tokens of a picture share positions.
int64_t position_after(const at::Tensor& positions);

// Returns the positions of generated tokens when they are fed back, grid after grid: i64 [3, 1, sum of h*w]. The token
// at (row, col) of a grid that starts at d has (d, d + row, d + col), and the next grid starts max(height, width)
// later. Upstream: GlmImageModel.get_rope_index, the decode positions
at::Tensor grid_positions(int64_t start, const std::vector<Grid>& grids);

// Returns cos and sin for `positions` i64 [3, 1, L], rounded to `dtype`, on the positions' device.
// Upstream: GlmImageTextRotaryEmbedding
RotaryTable mrope_table(const PriorConfig& c, const at::Tensor& positions, at::ScalarType dtype);  // [L, R]

// Returns cos and sin for a grid of patches, in the order of its rows, in fp32. The first half of a head's pairs
// rotates with the row, the second with the column. Upstream: GlmImageRotaryPosEmbed
RotaryTable patch_rotary_table(int64_t head_dim, int64_t rows, int64_t columns,
                               at::Device device);  // [rows * columns, head]

}  // namespace glm
