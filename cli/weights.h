// `glm-image weights` and its actions: what lies in a checkpoint's files, what it computes, and random weights.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

// arguments: the action, the folder or file, and perhaps the manifest to write.
void run_weights(const std::vector<std::string>& arguments, const Values& given);

}  // namespace glm::cli
