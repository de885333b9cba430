// The formats that a model's weights can be kept in. Public; no LibTorch type.
#pragma once

#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct WeightFormat {
  std::string name;        // as LoadOptions::prior_precision takes it: "bf16", "fp8", …
  double bytes = 0;        // of a weight, without its scales
  bool quantised = false;  // needs a GPU, and dtype bfloat16
};

// All of them, the default first.
GLM_API std::vector<WeightFormat> weight_formats();

}  // namespace glm
