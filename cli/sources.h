// Where options come from: the command line, a picture's metadata (--from), the environment, configuration files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

struct Source {
  std::string before, after;  // around an option's name in a message: "--", "" or "FILE: ", ""
  bool is_environment = false;
  Values values;

  // Returns the option's name as this source's user knows it.
  std::string label(const Option& option) const;
};

// Reads the variables GLM_IMAGE_… of the command's options.
Source environment(const Command& command);

// Reads a TOML file of lines `key = value`, in which the keys are named like the options. Throws Error(usage) naming
// the file, the line and what is wrong.
Source config_file(const Command& command, const std::filesystem::path& file);

// Returns $XDG_CONFIG_HOME/glm-image/config.toml, else ~/.config/glm-image/config.toml; an empty path where there is no
// such file.
std::filesystem::path user_config_file();

// Returns the options of all sources together. The strongest source comes last. Throws Error(usage) for a wrong value,
// and for options of one source that contradict each other.
GenerateOptions merged(const Command& command, std::vector<Source> sources);

}  // namespace glm::cli
