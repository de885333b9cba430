#include "cli/sources.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/read_file.h"
#include "base/refuse.h"
#include "base/user_folder.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostConfigBytes = 1 << 20;

std::string node_text(const std::string& what, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  std::ostringstream number;
  if (const auto* real = node.as_floating_point()) number << real->get();
  if (number.str().empty()) refuse(what, "a number, a text or true or false", "something else");
  return number.str();
}

// Reads an option's value. An array is several values of an option that repeats; of another option it is a list, such
// as seeds = [1, 2].
std::vector<std::string> node_texts(const std::string& what, const Option& option, const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) return {node_text(what, node)};
  std::vector<std::string> all;
  for (const toml::node& item : *array) all.push_back(node_text(what, item));
  if (option.repeats) return all;
  std::string list;
  for (const std::string& item : all) list += (list.empty() ? "" : ",") + item;
  return {list};
}

std::string read_config(const fs::path& file) {
  const FileContents contents = read_whole_file(file, kMostConfigBytes);
  if (contents.problem == FileContents::Problem::too_large) {
    refuse(file.string(), "at most 1 MiB of configuration", std::to_string(contents.size) + " bytes");
  }
  if (contents.problem != FileContents::Problem::none) refuse(file.string(), "a configuration file to read", "none");
  return contents.bytes;
}

// Throws Error(usage) when a source has both an option and one that it overrules.
void check_contradictions(const Command& command, const Source& source) {
  for (const Option& option : command.options) {
    if (!source.values.contains(option.name)) continue;
    for (const std::string& other : option.overrules) {
      if (!source.values.contains(other)) continue;
      const std::string both = source.label(*find_option(command, other));
      refuse(source.label(option), "alone", "with " + both);
    }
  }
}

}  // namespace

std::string Source::label(const Option& option) const {
  return before + (is_environment ? environment_name(option) : option.name) + after;
}

Source environment(const Command& command) {
  Source source{.before = "", .after = "", .is_environment = true, .values = {}};
  for (const Option& option : command.options) {
    const char* text = std::getenv(environment_name(option).c_str());
    if (text == nullptr || *text == '\0') continue;
    std::string value = text;
    if (option.is_switch() && value == "1") value = "true";
    if (option.is_switch() && value == "0") value = "false";
    source.values[option.name] = {value};
  }
  return source;
}

Source config_file(const Command& command, const fs::path& file) {
  Source source{.before = file.string() + ": ", .after = "", .is_environment = false, .values = {}};
  try {
    const toml::table table = toml::parse(read_config(file));
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const Option* option = find_option(command, name);
      if (option == nullptr || !option->configurable()) {
        refuse(file.string() + ":" + std::to_string(node.source().begin.line),
               "the name of an option of glm-image generate, such as steps", '"' + name.substr(0, 60) + '"');
      }
      source.values[name] = node_texts(source.label(*option), *option, node);
    }
  } catch (const toml::parse_error& e) {
    refuse(file.string() + ":" + std::to_string(e.source().begin.line), "TOML, such as steps = 20",
           std::string(e.description()));
  }
  return source;
}

fs::path user_config_file() {
  const fs::path folder = user_folder("XDG_CONFIG_HOME", ".config");
  if (folder.empty()) return {};
  const fs::path file = folder / "config.toml";
  std::error_code ignored;
  return fs::exists(file, ignored) ? file : fs::path();
}

GenerateOptions merged(const Command& command, std::vector<Source> sources) {
  for (const Source& source : sources) check_contradictions(command, source);
  // An option of a stronger source removes the same option, and those it overrules, from all weaker sources.
  for (size_t strong = 0; strong < sources.size(); ++strong) {
    for (const auto& entry : sources[strong].values) {
      std::vector<std::string> gone = find_option(command, entry.first)->overrules;
      gone.push_back(entry.first);
      for (size_t weak = 0; weak < strong; ++weak) {
        for (const std::string& name : gone) sources[weak].values.erase(name);
      }
    }
  }
  GenerateOptions options;
  for (const Option& option : command.options) {  // in the table's order, so that --width is read after --size
    for (const Source& source : sources) {
      const auto found = source.values.find(option.name);
      if (found == source.values.end() || option.use == nullptr) continue;
      for (const std::string& text : found->second) option.use(options, source.label(option), text);
    }
  }
  return options;
}

}  // namespace glm::cli
