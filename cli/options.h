// The one table of the program's commands and options. The command line, the names in the environment, the keys of a
// configuration file, the help, the manual page and the completions all come from it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace glm::cli {

// What `generate`, `run` or `media` was asked for.
struct GenerateOptions {
  std::optional<std::string> prompt;
  std::string prompt_file;  // instead of the prompt; "-" is standard input
  std::vector<std::string> texts;
  std::vector<std::string> references;
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  std::optional<double> aspect;
  std::optional<int64_t> steps;
  std::optional<double> guidance;
  std::optional<uint64_t> seed;  // none: draw one
  int64_t count = 1;
  std::vector<uint64_t> seeds;  // instead of seed and count
  std::string rng = "cuda";
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  bool greedy = false;
  bool parse_special = false;
  bool allow_early_stop = false;
  std::string model;  // "": the one that comes with the program
  std::string device = "auto";
  std::string dtype = "auto";
  std::string precision;  // of LoadOptions
  std::string kernels = "auto";
  std::string look_ahead = "auto";
  int threads = 0;
  std::string output;  // "": glm-image-SEED.png
  bool overwrite = false;
  std::string format;  // "": as the output's name says
  int quality = 90;
  bool metadata = true;
  bool json = false;
  bool dry_run = false;
  bool show = false;
  std::string dump;
  std::string dump_level = "stages";
  std::string inject;
  bool quiet = false;
  bool verbose = false;
  // Of `run` alone, and `media`.
  std::optional<std::string> tasks;  // the file that has them; "-" is standard input
  std::string media;                 // the media store's folder; "": the user's own
  std::string folder;                // for the pictures' files; "": only the store
  std::vector<std::string> allowed_hosts;
  std::string safety_model;
  bool stream = false;
  std::optional<double> token_price;
  std::optional<double> step_price;
};

struct Option {
  std::string name;   // "cfg-scale": --cfg-scale, GLM_IMAGE_CFG_SCALE, cfg-scale in a configuration file
  char letter;        // 's' for -s, or 0
  std::string value;  // what stands for its value in the help: "N"; "" for a switch
  std::string group;  // "": not shown
  std::string help;
  // For the options of generate, run and media: reads `text`, which is "true" or "false" for a switch. Throws
  // Error(usage) whose message begins with `label`.
  std::function<void(GenerateOptions&, const std::string& label, const std::string& text)> use = nullptr;
  std::vector<std::string> choices = {};  // values that completion offers
  bool file = false;                      // completion offers files
  bool repeats = false;                   // may be given several times; if not, the last one counts
  // Options that contradict this one where the same source has both, and don't count in weaker sources.
  std::vector<std::string> excludes = {};
  // Options that don't count in a picture's metadata where a stronger source has this one.
  std::vector<std::string> overrules = {};
  bool is_argument = false;  // the prompt, which several sources may give, or the file of tasks

  bool is_switch() const { return value.empty(); }
  bool is_list() const { return value.ends_with(",..."); }  // if it is given several times, the lists are joined
  bool configurable() const { return use != nullptr && !is_argument; }  // may stand in the environment and in files
};

struct Command {
  std::string name;
  std::string argument;  // "PROMPT", or "" for none
  std::string help;
  std::vector<Option> options;
  std::vector<std::string> argument_choices = {};
  bool argument_is_file = false;
  bool argument_may_be_missing = false;
  std::vector<std::string> paths = {};  // names of the files or folders behind the argument; the first has to be there
};

const std::vector<Command>& commands();
const Command& command_of(const std::string& name);                          // which has to exist
const Option* find_option(const Command& command, const std::string& name);  // or null
const Option& option_of(const Command& command, const std::string& name);    // throws std::logic_error for none
const Option* find_named(const Command& command, const std::string& name);   // also a switch by its opposite; or null

// "cfg-scale" -> "GLM_IMAGE_CFG_SCALE"
std::string environment_name(const std::string& name);

// Returns the switch that says the opposite of a configurable switch: "no-greedy" of greedy, "metadata" of no-metadata.
// It is "" for any other option.
std::string opposite(const Option& option);

// The texts of one source's options, by the options' names.
using Values = std::map<std::string, std::vector<std::string>>;

}  // namespace glm::cli
