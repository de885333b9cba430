#pragma once

#include <string>

namespace glm::cli {

// Returns a script with the completions for "bash", "zsh" or "fish". Throws Error(usage) for another shell.
std::string completion(const std::string& shell);

// Returns the manual page, in roff.
std::string manual();

}  // namespace glm::cli
