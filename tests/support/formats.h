// Lists the weight formats of the table, for tests that try each of them.
#pragma once

#include <vector>

#include "kernels/cuda/formats.h"

namespace glm {

inline std::vector<cuda::Format> all_formats() {
  std::vector<cuda::Format> all;
  for (const cuda::FormatRow& row : cuda::kFormats) all.push_back(row.format);
  return all;
}

// Those that are packed from numbers, or from a checkpoint's codes.
inline std::vector<cuda::Format> formats_of(bool coded) {
  std::vector<cuda::Format> some;
  for (const cuda::FormatRow& row : cuda::kFormats) {
    if (row.coded == coded) some.push_back(row.format);
  }
  return some;
}

}  // namespace glm
