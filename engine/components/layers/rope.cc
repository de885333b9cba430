#include "engine/components/layers/rope.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace glm {
namespace {

constexpr double kPatchTheta = 10000.0;  // a literal in upstream's class, without a config key

// Returns 1 / theta^(2i / dim) for i < dim / 2, in fp32 as upstream does: [dim / 2]. It is computed on the CPU, because
// a GPU may round the last bit otherwise, and at a large position that bit is a visible angle.
at::Tensor inverse_frequencies(double theta, int64_t dim) {
  return 1.0 / at::pow(theta, at::arange(0, dim, 2, at::kFloat) / dim);
}

at::Tensor cell_positions(int64_t start, Grid grid) {  // -> [3, h * w]
  const at::Tensor rows = at::arange(grid.height, at::kLong).repeat_interleave(grid.width);
  const at::Tensor columns = at::arange(grid.width, at::kLong).repeat({grid.height});
  return at::stack({at::zeros_like(rows), rows, columns}) + start;
}

RotaryTable table_of(const at::Tensor& angles, at::ScalarType dtype) {  // [L, R / 2] -> [L, R]
  const at::Tensor both = at::cat({angles, angles}, -1);
  return {both.cos().to(dtype), both.sin().to(dtype)};
}

}  // namespace

at::Tensor prompt_positions(int64_t length, const std::vector<Grid>& sources) {
  std::vector<at::Tensor> parts;
  int64_t next = 0;
  const auto text = [&](int64_t count) {
    parts.push_back(at::arange(next, next + count, at::kLong).expand({3, count}));
    next += count;
  };
  int64_t left = length;
  for (size_t i = 0; i < sources.size(); ++i) {
    text(i == 0 ? 1 : 2);  // the end of the reference before, if there is one, and the begin of this one
    parts.push_back(cell_positions(next, sources[i]));
    next += std::max(sources[i].height, sources[i].width);
    left -= reference_length(sources[i]);
  }
  text(sources.empty() ? left : left + 1);
  return at::cat(parts, -1).unsqueeze(1);
}

int64_t position_after(const at::Tensor& positions) {
  return positions.select(-1, -1).max().item<int64_t>() + 1;
}

at::Tensor grid_positions(int64_t start, const std::vector<Grid>& grids) {
  std::vector<at::Tensor> parts;
  for (const Grid& grid : grids) {
    parts.push_back(cell_positions(start, grid));
    start += std::max(grid.height, grid.width);
  }
  return at::cat(parts, -1).unsqueeze(1);
}

RotaryTable mrope_table(const PriorConfig& c, const at::Tensor& positions, at::ScalarType dtype) {
  const at::Tensor frequencies = inverse_frequencies(c.rope_theta, c.rotary_dim()).to(positions.device());
  // Upstream: cat([m[i % 3] for i, m in enumerate(freq.split(mrope_section))]). Each axis has frequencies of its own.
  std::vector<at::Tensor> angles;
  int64_t first = 0;
  for (size_t axis = 0; axis < c.mrope_section.size(); ++axis) {
    const at::Tensor own = frequencies.slice(0, first, first + c.mrope_section[axis]);
    angles.push_back(at::outer(positions[static_cast<int64_t>(axis)][0].to(at::kFloat), own));
    first += c.mrope_section[axis];
  }
  return table_of(at::cat(angles, -1), dtype);
}

RotaryTable patch_rotary_table(int64_t head_dim, int64_t rows, int64_t columns, at::Device device) {
  const at::Tensor frequencies = inverse_frequencies(kPatchTheta, head_dim / 2).to(device);
  const at::Tensor by_row = at::outer(at::arange(rows, frequencies.options()), frequencies).unsqueeze(1);
  const at::Tensor by_column = at::outer(at::arange(columns, frequencies.options()), frequencies).unsqueeze(0);
  const at::Tensor angles = at::cat({by_row.expand({rows, columns, -1}), by_column.expand({rows, columns, -1})}, -1);
  return table_of(angles.flatten(0, 1), at::kFloat);
}

}  // namespace glm
