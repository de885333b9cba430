// `glm-image run FILE`: answers an array of tasks in JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

// given: the command line's options. arguments: the file, or nothing. Throws glm::Error, also when a task failed.
void run_tasks(const Values& given, const std::vector<std::string>& arguments);

}  // namespace glm::cli
