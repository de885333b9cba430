// `glm-image generate PROMPT`: makes picture files from a prompt, and from pictures to start from.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

// given: the command line's options. arguments: the prompt, or nothing. Throws glm::Error.
void run_generate(const Values& given, const std::vector<std::string>& arguments);

}  // namespace glm::cli
