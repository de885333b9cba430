// `glm-image weights inspect` and `glm-image weights verify`: what lies in a checkpoint's files.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

// arguments: the action, the folder or file, and perhaps the manifest to write.
void run_weights(const std::vector<std::string>& arguments, const Values& given);

}  // namespace glm::cli
