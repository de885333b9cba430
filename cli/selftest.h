// `glm-image weights selftest`: whether a checkpoint computes what upstream computes.
#pragma once

#include <filesystem>

#include "cli/options.h"

namespace glm::cli {

// Prints the checks. Throws Error(model) when one has failed, and Error(io) when nobody can tell anything about the
// weights.
void run_selftest(const std::filesystem::path& checkpoint, const Values& given);

}  // namespace glm::cli
