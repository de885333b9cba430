// The formats that the prior's weights can be stored in.
#pragma once

#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct WeightFormat {
  std::string name;        // as LoadOptions::prior_precision takes it: "bf16", "fp8", …
  double bytes = 0;        // bytes of a weight, without its scales
  bool quantised = false;  // needs a GPU, and dtype bfloat16
};

// Returns all formats, the default first.
GLM_API std::vector<WeightFormat> weight_formats();

}  // namespace glm
