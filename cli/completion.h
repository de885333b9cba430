#pragma once

#include <string>

namespace glm::cli {

// The completions of "bash", "zsh" or "fish", as a script for it. Error(usage) for another shell.
std::string completion(const std::string& shell);

// The manual page, in roff.
std::string manual();

}  // namespace glm::cli
