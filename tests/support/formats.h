// Lists every weight format of the table, for tests that try each of them.
#pragma once

#include <vector>

#include "kernels/cuda/formats.h"

namespace glm {

inline std::vector<cuda::Format> all_formats() {
  std::vector<cuda::Format> all;
  for (const cuda::FormatRow& row : cuda::kFormats) all.push_back(row.format);
  return all;
}

}  // namespace glm
