#pragma once

#include <string>
#include <vector>

namespace glm::cli {

// Looks at the words of the command line, the command being the first, for mistakes that CLI11 takes for something
// else. Throws Error(usage) for an option where another one's value should stand, such as --text --dry-run, and for a
// second argument behind "--", where an option is an argument, too.
void check_words(const std::vector<std::string>& words);

}  // namespace glm::cli
