#include "glm/weight_formats.h"

#include "kernels/cuda/formats.h"

namespace glm {

std::vector<WeightFormat> weight_formats() {
  std::vector<WeightFormat> all;
  for (const cuda::FormatRow& row : cuda::kFormats) all.push_back({row.name, row.bytes, row.quantised});
  return all;
}

}  // namespace glm
