// `glm-image bench`: how fast a model runs on this machine.
#pragma once

#include "cli/options.h"

namespace glm::cli {

// given: the options of the command line. Throws glm::Error.
void run_bench(const Values& given);

}  // namespace glm::cli
