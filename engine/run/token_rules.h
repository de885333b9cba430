// How a picture's tokens are drawn, whatever writes them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/sampling.h"

namespace glm {

struct TokenRules {
  SamplingOptions sampling;
  int64_t codebook = 0;      // ids below it are image tokens
  bool mask = true;          // only image tokens are drawn, but for a picture's last token
  std::vector<int64_t> eos;  // the ids that end a picture when nothing is masked
};

}  // namespace glm
