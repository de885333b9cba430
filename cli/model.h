// Which model the options name, and how it is loaded.
#pragma once

#include <filesystem>
#include <string>

#include "cli/options.h"
#include "glm/cancel.h"
#include "glm/request.h"

namespace glm::cli {

// Returns what -m names, as the engine takes it. Throws Error(model) when the model that comes with the program is
// missing.
std::filesystem::path model_of(const std::string& text);

// "nano" of ".../nano/"
std::string model_name(const std::filesystem::path& model);

LoadOptions load_options(const GenerateOptions& options, const CancelToken& cancel);

}  // namespace glm::cli
