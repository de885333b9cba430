// The groups of rows that share a modulation, as the diffusion transformer has them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/decoder_kernels.h"

namespace glm {

// Text rows take the second row of each table, and image rows the first.
inline std::vector<RowGroup> groups_of(const std::vector<SequenceRows>& sequences) {
  std::vector<RowGroup> groups;
  int64_t row = 0;
  for (const SequenceRows& s : sequences) {
    if (s.text > 0) groups.push_back({row, row + s.text, 1});
    groups.push_back({row + s.text, row + s.text + s.image, 0});
    row += s.text + s.image;
  }
  return groups;
}

}  // namespace glm
