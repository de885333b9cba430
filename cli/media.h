// `glm-image media list` and `glm-image media prune`.
#pragma once

#include <string>

#include "cli/options.h"

namespace glm::cli {

// given: the command line's options. Throws glm::Error.
void run_media(const std::string& action, const Values& given);

}  // namespace glm::cli
