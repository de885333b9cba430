#pragma once

#include <string>
#include <vector>

namespace glm::cli {

// Finds mistakes on the command line that CLI11 takes for something else. The first word is the command. Throws
// Error(usage) in two cases:
// - An option stands where another option's value should stand, such as in --text --dry-run.
// - There is a second argument behind "--". What looks like an option there is an argument, too.
void check_words(const std::vector<std::string>& words);

}  // namespace glm::cli
