// Where options come from: the command line, a picture's metadata (--from), the environment, configuration files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"

namespace glm::cli {

struct Source {
  enum class Kind { command_line, picture, environment, file };
  Kind kind;
  std::string file;  // the picture's or the configuration file's name
  Values values;

  // Returns the option's name as this source's user knows it.
  std::string label(const Option& option) const;
};

// Reads the variables GLM_IMAGE_… of the command's options and of switches' opposites. Of an option that repeats, each
// line is a value. Throws Error(usage) for a switch that is there beside its opposite.
Source environment(const Command& command);

// Returns a warning for each variable GLM_IMAGE_… that is no option's name, and one where nobody can tell whether the
// user's configuration file is there, because its folder can't be entered.
std::vector<std::string> warnings_about_sources(const Command& command);

// Reads a TOML file, or a pipe, of lines `key = value`, in which the keys are named like the options and switches'
// opposites. Throws Error(usage) naming the file, the line and what is wrong.
Source config_file(const Command& command, const std::string& file);

// Returns $XDG_CONFIG_HOME/glm-image/config.toml, else ~/.config/glm-image/config.toml; an empty path where there is no
// such file, not even a link that leads nowhere.
std::filesystem::path user_config_file();

// Returns all sources but a picture. The strongest, which is the command line with these values, comes last. Throws
// Error(usage) also where two inputs are standard input, before anything is read from it.
std::vector<Source> sources_of(const Command& command, const Values& command_line);

// Returns the strongest source's last value of an option, or "".
std::string strongest(const std::vector<Source>& sources, const std::string& option);

// Returns the options of all sources together. The strongest source comes last. Throws Error(usage) for a wrong value,
// and for options of one source that contradict each other.
GenerateOptions merged(const Command& command, std::vector<Source> sources);

}  // namespace glm::cli
