// Where options come from: command line, a picture's metadata (--from), environment, configuration files.
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

  std::string label(const Option& option) const;
};

// GLM_IMAGE_… of the command's options.
Source environment(const Command& command);

// A TOML file of `key = value`, the keys named like the options. Error(usage) naming file, line and what is wrong.
Source config_file(const Command& command, const std::filesystem::path& file);

// $XDG_CONFIG_HOME/glm-image/config.toml, else ~/.config/…; an empty path where there is none.
std::filesystem::path user_config_file();

// The options of all sources, the strongest source last. Error(usage).
GenerateOptions merged(const Command& command, std::vector<Source> sources);

}  // namespace glm::cli
