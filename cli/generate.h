// `glm-image generate PROMPT`: a prompt, and pictures to start from, to picture files.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

// given: the command line's options; arguments: at most the prompt. Throws glm::Error.
void run_generate(const Values& given, const std::vector<std::string>& arguments);

}  // namespace glm::cli
