#include "cli/sources.h"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/refuse.h"
#include "base/text.h"
#include "base/user_folder.h"
#include "cli/hint.h"
#include "cli/input.h"
#include "cli/values.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostConfigBytes = 1 << 20;

// Returns the number with the digits that give the same number back. A whole one is told from an integer.
std::string real_text(double number) {
  char text[32];
  const std::to_chars_result end = std::to_chars(std::begin(text), std::end(text), number);
  std::string digits(std::begin(text), end.ptr);
  return digits.find_first_not_of("-0123456789") == std::string::npos ? digits + ".0" : digits;
}

std::string node_text(const std::string& what, const toml::node& node) {
  if (const auto* text = node.as_string()) return without_marks(text->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* real = node.as_floating_point()) return real_text(real->get());
  refuse(what, "a number, a text or true or false", "something else");
}

// Reads an option's value. An array is several values of an option that repeats; of another option it is a list, such
// as seeds = [1, 2].
std::vector<std::string> node_texts(const std::string& what, const Option& option, const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) return {node_text(what, node)};
  std::vector<std::string> all;
  for (const toml::node& item : *array) all.push_back(node_text(what, item));
  if (option.repeats) return all;
  return {one_list(all)};
}

std::string read_config(const std::string& file) {
  const FileContents contents = read_input(file, kMostConfigBytes);
  if (contents.problem == FileContents::Problem::too_large) {
    refuse(input_name(file), "at most 1 MiB of configuration", "more");
  }
  if (contents.problem != FileContents::Problem::none) {
    refuse(input_name(file), "a configuration file to read", what_is_there(file));
  }
  return text_of(input_name(file), contents.bytes);
}

// Puts the whole number that ends at this place into quotes. Returns whether there is one.
bool quote_number(std::string* text, const toml::source_position& place) {
  size_t line = 0;
  for (toml::source_index n = 1; n < place.line && line != std::string::npos; ++n) line = text->find('\n', line) + 1;
  const size_t end = line + place.column - 1;
  if (end > text->size()) return false;
  const size_t before = text->find_last_not_of("+-0123456789", end - 1);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  if (begin >= end) return false;
  text->insert(end, 1, '"').insert(begin, 1, '"');
  return true;
}

// TOML's numbers end at 2^63-1, seeds at 2^64-1: what is larger is read as if it stood in quotes.
toml::table parse_config(std::string text) {
  for (size_t large = 0;; ++large) {
    try {
      return toml::parse(text);
    } catch (const toml::parse_error& e) {
      const bool is_large = e.description().find("not representable in 64 bits") != std::string_view::npos;
      if (!is_large || large == limits::kMaxPictures || !quote_number(&text, e.source().begin)) throw;
    }
  }
}

// A switch that is off asks for nothing.
bool asks(const Option& option, const std::vector<std::string>& values) {
  return !option.is_switch() || values != std::vector<std::string>{"false"};
}

// Throws Error(usage) when a source has two options that contradict each other. A picture's metadata have all values,
// also those that had no effect.
void check_contradictions(const Command& command, const Source& source) {
  if (source.kind == Source::Kind::picture) return;
  for (const Option& option : command.options) {
    const auto found = source.values.find(option.name);
    if (found == source.values.end() || !asks(option, found->second)) continue;
    for (const std::string& name : option.excludes) {
      const Option& other = option_of(command, name);
      const auto beside = source.values.find(name);
      if (beside == source.values.end() || !asks(other, beside->second)) continue;
      refuse(source.label(option), "alone", "with " + source.label(other));
    }
  }
}

// Removes from a weaker source what a stronger one's options leave without effect.
void overrule(const Command& command, const Source& strong, Source* weak) {
  for (const auto& [name, values] : strong.values) {
    const Option& option = option_of(command, name);
    weak->values.erase(name);
    if (!asks(option, values)) continue;
    for (const std::string& other : option.excludes) weak->values.erase(other);
    if (weak->kind != Source::Kind::picture) continue;
    for (const std::string& other : option.overrules) weak->values.erase(other);
  }
}

// The strongest source comes last.
void overrule_weaker(const Command& command, std::vector<Source>* sources) {
  for (size_t strong = 0; strong < sources->size(); ++strong) {
    for (size_t weak = 0; weak < strong; ++weak) overrule(command, (*sources)[strong], &(*sources)[weak]);
  }
}

// Says whether some command has such an option: variables and files are every command's.
bool is_known(const std::string& name) {
  return std::any_of(commands().begin(), commands().end(), [&](const Command& command) {
    const Option* option = find_named(command, name);
    return option != nullptr && option->configurable();
  });
}

// Gives a source the values of an option. `name` is the option's, or its opposite's.
void add(Source* source, const Option& option, const std::string& name, std::vector<std::string> values) {
  Option named = option;
  named.name = name;
  if (source->values.contains(option.name)) {
    Option other = option;
    other.name = name == option.name ? opposite(option) : option.name;
    refuse(source->label(named), "alone", "with " + source->label(other));
  }
  if (name != option.name)
    values = {one_of(source->label(named), values.back(), {"true", "false"}) == "true" ? "false" : "true"};
  source->values[option.name] = std::move(values);
}

// Returns the values in an environment variable. Of an option that repeats, each line is one.
std::vector<std::string> variable_values(const Option& option, const std::string& text) {
  if (option.is_switch() && text == "1") return {"true"};
  if (option.is_switch() && text == "0") return {"false"};
  if (!option.repeats) return {text};
  std::vector<std::string> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) values.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return values;
}

// Throws Error(usage) where more than one of the inputs that these sources name is standard input.
void check_inputs(const Command& command, std::vector<Source> sources) {
  overrule_weaker(command, &sources);
  std::vector<std::string> inputs;
  for (const char* name : {"prompt-file", "from", "config", "image", "tasks"}) {
    const auto has = [&](const Source& source) { return source.values.contains(name); };
    const auto source = std::find_if(sources.rbegin(), sources.rend(), has);
    if (source == sources.rend()) continue;
    const std::vector<std::string>& values = source->values.at(name);
    inputs.insert(inputs.end(), values.begin(), values.end());
  }
  check_standard_input(inputs);
}

fs::path user_config_name() {
  const fs::path folder = user_folder("XDG_CONFIG_HOME", ".config");
  return folder.empty() ? folder : folder / "config.toml";
}

}  // namespace

std::string Source::label(const Option& option) const {
  switch (kind) {
    case Kind::command_line:
      return (option.is_argument ? "" : "--") + option.name;
    case Kind::environment:
      return environment_name(option.name);
    case Kind::picture:
    case Kind::file:
      break;
  }
  return input_name(file) + ": " + option.name;
}

Source environment(const Command& command) {
  Source source{.kind = Source::Kind::environment, .file = {}, .values = {}};
  for (const Option& option : command.options) {
    for (const std::string& name : {option.name, opposite(option)}) {
      const char* text = name.empty() || option.is_argument ? nullptr : std::getenv(environment_name(name).c_str());
      const std::string value = text == nullptr ? "" : without_marks(text);
      if (!value.empty()) add(&source, option, name, variable_values(option, value));
    }
  }
  return source;
}

std::vector<std::string> warnings_about_sources(const Command& command) {
  const std::string prefix = "GLM_IMAGE_";
  std::vector<std::string> warnings;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (!variable.starts_with(prefix)) continue;
    const std::string name = variable.substr(0, variable.find('='));
    const auto is_named = [&](const Option& o) {
      return !o.is_argument && (environment_name(o.name) == name || environment_name(opposite(o)) == name);
    };
    const auto has_named = [&](const Command& c) { return std::any_of(c.options.begin(), c.options.end(), is_named); };
    if (std::any_of(commands().begin(), commands().end(), has_named)) continue;
    warnings.push_back(
        shortened(name, 60) + " in the environment is no option's name" +
        hint(command, name.substr(prefix.size()), [](const Option& o) { return environment_name(o.name); }));
  }
  const fs::path file = user_config_name();
  std::error_code failed;
  if (!file.empty() && !fs::status_known(fs::symlink_status(file, failed))) {
    warnings.push_back(file.string() + " isn't read: " + failed.message());
  }
  return warnings;
}

Source config_file(const Command& command, const std::string& file) {
  Source source{.kind = Source::Kind::file, .file = file, .values = {}};
  const auto place = [&](const toml::source_region& region) {
    return input_name(file) + ":" + std::to_string(region.begin.line);
  };
  try {
    const toml::table table = parse_config(read_config(file));
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const Option* option = find_named(command, name);
      if (is_known(name) && option == nullptr) continue;  // another command's
      if (option == nullptr || !option->configurable()) {
        refuse(place(node.source()), "the name of an option of glm-image generate or run, such as steps",
               '"' + shortened(name, 60) + '"' + hint(command, name, [](const Option& o) { return o.name; }));
      }
      add(&source, *option, name, node_texts(source.label(*option), *option, node));
    }
  } catch (const toml::parse_error& e) {
    refuse(place(e.source()), "TOML, such as steps = 20", std::string(e.description()));
  }
  return source;
}

fs::path user_config_file() {
  const fs::path file = user_config_name();
  std::error_code ignored;
  return fs::exists(fs::symlink_status(file, ignored)) ? file : fs::path();
}

std::vector<Source> sources_of(const Command& command, const Values& command_line) {
  std::vector<Source> sources;
  if (const fs::path file = user_config_file(); !file.empty()) sources.push_back(config_file(command, file));
  Source surroundings = environment(command);
  Source options{.kind = Source::Kind::command_line, .file = {}, .values = command_line};
  const std::string config = strongest({surroundings, options}, "config");
  check_inputs(command, {surroundings, options});
  const bool is_given = surroundings.values.contains("config") || options.values.contains("config");
  if (is_given) sources.push_back(config_file(command, path_name("config", config)));
  sources.push_back(std::move(surroundings));
  sources.push_back(std::move(options));
  check_inputs(command, sources);
  return sources;
}

std::string strongest(const std::vector<Source>& sources, const std::string& option) {
  for (auto source = sources.rbegin(); source != sources.rend(); ++source) {
    const auto found = source->values.find(option);
    if (found != source->values.end()) return found->second.back();
  }
  return "";
}

GenerateOptions merged(const Command& command, std::vector<Source> sources) {
  for (const Source& source : sources) check_contradictions(command, source);
  overrule_weaker(command, &sources);
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
