// The product of panels (host_kernels.h). It is included as bodies.h is.
#pragma once

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

// Multiplies kRows rows of a panel by kPanels panels of lanes. The sums stay in registers over all columns.
template <int kRows, int kPanels>
inline void multiply_tile(const float* rows, const float* lanes, const Panels& p, float* to) {
  Lanes sums[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < kPanels; ++i) sums[r][i] = load(to + r * p.sums_stride + int64_t{i} * kLanes);
  }
  for (int64_t k = 0; k < p.depth; ++k) {
    Lanes column[kPanels];
#pragma GCC unroll 2
    for (int i = 0; i < kPanels; ++i) column[i] = load(lanes + i * p.lanes_stride + k * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Lanes row = splat(rows[k * kPanelRows + r]);
#pragma GCC unroll 2
      for (int i = 0; i < kPanels; ++i) sums[r][i] = multiply_add(row, column[i], sums[r][i]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < kPanels; ++i) store(to + r * p.sums_stride + int64_t{i} * kLanes, sums[r][i]);
  }
}

// Takes as many rows at once as there are left, and at most kRows.
template <int kRows, int kPanels>
inline void multiply_tiles(const float* rows, const float* lanes, const Panels& p, int64_t left, float* to) {
  if constexpr (kRows > 1) {
    if (left < kRows) return multiply_tiles<kRows - 1, kPanels>(rows, lanes, p, left, to);
  }
  multiply_tile<kRows, kPanels>(rows, lanes, p, to);
}

template <int kPanels>
inline void multiply_lanes(const Panels& p, int64_t lane_panel) {
  static_assert(kPanelRows % kTileRows == 0);
  const float* const lanes = p.lanes + lane_panel * p.lanes_stride;
  for (int64_t row = 0; row < p.row_count; row += kTileRows) {
    multiply_tiles<kTileRows, kPanels>(p.rows + row / kPanelRows * p.rows_stride + row % kPanelRows, lanes, p,
                                       p.row_count - row, p.sums + row * p.sums_stride + lane_panel * kLanes);
  }
}

inline void multiply_panels(const Panels& p) {
  int64_t panel = 0;
  for (; panel + kTilePanels <= p.lane_panels; panel += kTilePanels) multiply_lanes<kTilePanels>(p, panel);
  for (; panel < p.lane_panels; ++panel) multiply_lanes<1>(p, panel);
}

}  // namespace
}  // namespace glm::host
