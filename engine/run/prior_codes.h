// Which formats of our kernels the codes of a checkpoint's prior have.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/config.h"
#include "kernels/cuda/formats.h"

namespace glm {

struct PriorCodes {
  std::vector<cuda::Format> formats;  // of all its codes; none: it has no codes
  std::string unread;                 // what our kernels don't read, for a message; "" if they read everything
};

// Reads the headers of the component's files. folder: that of the vision-language encoder. Throws Error(model) for
// codes that contradict their configuration.
PriorCodes codes_of_prior(const std::filesystem::path& folder, const PriorConfig& c);

}  // namespace glm
