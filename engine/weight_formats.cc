#include "glm/weight_formats.h"

#include "engine/run/precision.h"
#include "kernels/cuda/formats.h"

namespace glm {

std::vector<WeightFormat> weight_formats() {
  std::vector<WeightFormat> all;
  for (const cuda::FormatRow& row : cuda::kFormats) {
    if (!row.coded) all.push_back({row.name, row.bytes, row.quantised});
  }
  return all;
}

std::vector<std::string> precision_choices() {
  return Precision::choices();
}

std::string whole_precision(const std::string& text, const std::string& option) {
  return Precision::of(text, option).text();
}

}  // namespace glm
