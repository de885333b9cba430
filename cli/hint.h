// What somebody may have meant who misspelt an option.
#pragma once

#include <functional>
#include <string>

#include "cli/options.h"

namespace glm::cli {

// Returns "; did you mean steps?" for a name that is close to an option's, such as "Step", else "". `spell` writes
// the option's name as the source of the mistake knows it.
std::string hint(const Command& command, const std::string& name,
                 const std::function<std::string(const Option&)>& spell);

}  // namespace glm::cli
