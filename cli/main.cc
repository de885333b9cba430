// The program `glm-image`. Only this file and those of its subcommands print or exit.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "base/refuse.h"
#include "cli/before_main.h"
#include "cli/bench.h"
#include "cli/completion.h"
#include "cli/devices.h"
#include "cli/generate.h"
#include "cli/hint.h"
#include "cli/interrupt.h"
#include "cli/kernels.h"
#include "cli/media.h"
#include "cli/metadata.h"
#include "cli/options.h"
#include "cli/run_tasks.h"
#include "cli/terminal.h"
#include "cli/values.h"
#include "cli/weights.h"
#include "cli/words.h"
#include "glm/error.h"

namespace {

using glm::cli::Command;
using glm::cli::command_of;
using glm::cli::commands;
using glm::cli::opposite;
using glm::cli::Option;
using glm::cli::Values;

int exit_status(glm::ErrorCode code) {
  switch (code) {
    case glm::ErrorCode::usage:
      return 2;
    case glm::ErrorCode::model:
      return 3;
    case glm::ErrorCode::memory:
      return 4;
    case glm::ErrorCode::device:
      return 5;
    case glm::ErrorCode::cancelled:
      return 130;
    case glm::ErrorCode::io:
    case glm::ErrorCode::internal:
      return 1;
  }
  return 1;
}

std::string unknown_option(const CLI::App& command, const std::string& word) {
  std::string what = "unknown option " + word;
  if (command.get_parent() == nullptr) return what;
  const Command& known = command_of(command.get_name());
  const std::string meant = hint(known, word, [](const Option& option) { return "--" + option.name; });
  what += meant;
  if (meant.empty() && known.name == "generate") what += "; a prompt that begins with - goes behind --";
  return what;
}

// Says what is wrong with the arguments in this program's words. CLI11's own don't say what to do.
std::string usage_message(const CLI::App& command, const CLI::ParseError& error) {
  std::vector<std::string> left = command.remaining();
  if (!left.empty() && left.front() == "--") left.erase(left.begin());
  const std::string first = left.empty() ? "" : left.front();
  if (first.size() > 1 && first[0] == '-') return unknown_option(command, first);
  if (command.get_parent() == nullptr) {
    const std::string found = first.empty() ? "none" : "\"" + first + "\"";
    return "expected a command such as generate, found " + found + "; to draw: glm-image generate \"a red apple\"";
  }
  const Command& known = command_of(command.get_name());
  if (!first.empty() && known.argument.empty()) {
    const std::string expected = known.options.empty() ? "nothing" : "only options";
    return "expected " + expected + " after " + known.name + ", found \"" + first + "\"";
  }
  if (!first.empty() && known.name == "generate") {
    return "expected one prompt, also found \"" + first + "\"; put the whole prompt in quotes";
  }
  if (!first.empty()) {
    std::string expected = known.argument;
    for (const std::string& path : known.paths)
      expected += (&path == &known.paths.back() ? " and one " : ", one ") + path;
    return "expected one " + expected + ", also found \"" + first + "\"";
  }
  std::string what = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    const std::string missing = what.substr(0, what.find(' '));
    return (missing == "ACTION" ? "expected an " : "expected a ") + missing + ", found none";
  }
  if (const size_t at = what.find(" was given a disallowed flag override"); at != std::string::npos) {
    return "--" + what.substr(0, at) + ": expected no value, found one";
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    if (!known.argument.empty() && what.starts_with(known.argument + ":")) {
      return "expected one " + known.argument + ", found more";
    }
    const std::string text = known.name == "generate" ? "; a prompt that begins with - goes behind --" : "";
    return what.substr(0, what.find(':')) + ": expected a value, found none" + text;
  }
  return what;
}

// What the command line gave.
struct Given {
  Values values;
  std::vector<std::string> arguments;
};

// CLI11 marks the opposite of a switch in the help: "--overwrite,--no-overwrite{false}". The name says it already.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    const std::string mark = "{false}";
    if (const size_t at = name.find(mark); at != std::string::npos) name.erase(at, mark.size());
    return name;
  }
};

void add_option(CLI::App* app, const Option& option, Given* given) {
  if (option.is_argument) return;
  std::string names = (option.letter != 0 ? std::string("-") + option.letter + "," : "") + "--" + option.name;
  if (option.is_switch()) {
    if (const std::string off = opposite(option); !off.empty()) names += ",!--" + off;
    const auto set = [given, name = option.name](int64_t count) {
      given->values[name] = {count > 0 ? "true" : "false"};
    };
    app->add_flag_function(names, set, option.help)->group(option.group)->take_last()->disable_flag_override();
    return;
  }
  CLI::Option* added = nullptr;
  if (option.repeats || option.is_list()) {
    const auto keep = [given, name = option.name, is_list = option.is_list()](const std::vector<std::string>& all) {
      given->values[name] = is_list ? std::vector<std::string>{glm::cli::one_list(all)} : all;
    };
    added = app->add_option_function<std::vector<std::string>>(names, keep, option.help)->allow_extra_args(false);
  } else {
    const auto keep = [given, name = option.name](const std::string& text) { given->values[name] = {text}; };
    added = app->add_option_function<std::string>(names, keep, option.help)->take_last();
  }
  // CLI11 itself writes "..." behind the value of an option that may be given several times.
  const std::string shown = option.is_list() ? option.value.substr(0, option.value.rfind(",...")) : option.value;
  added->type_name(shown)->group(option.group);
}

void add_command(CLI::App* app, const Command& command, Given* given) {
  CLI::App* sub = app->add_subcommand(command.name, command.help);
  for (const Option& option : command.options) add_option(sub, option, given);
  if (command.name == "generate") {
    // The prompt is optional here: it may come from a file or another picture's metadata.
    const auto keep = [given](const std::string& prompt) { given->arguments = {prompt}; };
    sub->add_option_function<std::string>("PROMPT", keep, "What to draw; - reads it from standard input")
        ->type_name("");
    sub->footer(
        "\nEach option has a name in the environment (--cfg-scale: GLM_IMAGE_CFG_SCALE; each line a value of --text "
        "and\n"
        "--image) and, but for --config, in configuration files (cfg-scale = 2.5; --config,\n"
        "~/.config/glm-image/config.toml), and so has each switch's opposite (no-greedy = true). A prompt that begins\n"
        "with - goes behind --.\n"
        "\nExamples:\n"
        "  glm-image generate \"a red apple on a table\" -o apple.png\n"
        "  glm-image generate 'a sign that says \"OPEN\"' --size 384x256 --seed 7\n"
        "  glm-image generate \"the same cat in the snow\" -i cat.jpg -o snow.png");
  } else if (!command.argument.empty()) {
    CLI::Option* argument = sub->add_option(command.argument, given->arguments)->type_name("")->expected(1);
    argument->required(!command.argument_may_be_missing);
    if (!command.paths.empty()) argument->allow_extra_args(false);
    for (const std::string& path : command.paths) {
      const auto keep = [given](const std::string& text) { given->arguments.push_back(text); };
      sub->add_option_function<std::string>(path, keep)->type_name("")->required(path == command.paths.front());
    }
    if (command.name == "run") {
      sub->footer(
          "\nOptions may stand in the environment and in configuration files, as those of generate.\n"
          "\nExamples:\n"
          "  glm-image run tasks.json --out drawn\n"
          "  glm-image run - --stream < tasks.json\n"
          "  glm-image run tasks.json --allow-host example.com");
    }
  }
}

void run_command(const std::string& name, const Given& given) {
  const auto has = [&](const char* option) { return given.values.contains(option); };
  if (name == "generate") {
    glm::cli::run_generate(given.values, given.arguments);
  } else if (name == "run") {
    glm::cli::run_tasks(given.values, given.arguments);
  } else if (name == "info") {
    glm::cli::run_info(given.arguments[0], has("json"));
  } else if (name == "media") {
    glm::cli::run_media(given.arguments[0], given.values);
  } else if (name == "weights") {
    glm::cli::run_weights(given.arguments, given.values);
  } else if (name == "bench") {
    glm::cli::run_bench(given.values);
  } else if (name == "devices") {
    glm::cli::run_devices();
  } else if (name == "kernels") {
    glm::cli::run_kernels(has("device") ? given.values.at("device").back() : "cuda", has("check"));
  } else if (name == "completion") {
    glm::cli::print(glm::cli::completion(given.arguments[0]));
  } else {
    glm::cli::print(glm::cli::manual());
  }
}

int run(int argc, char** argv) {
  glm::cli::check_words({argv + 1, argv + argc});
  CLI::App app{"Draws pictures with GLM-Image.", "glm-image"};
  app.set_version_flag("--version", std::string("glm-image ") + GLM_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      "\nExample:\n"
      "  glm-image generate \"a red apple on a table\" -o apple.png\n\n"
      "glm-image generate --help lists what it takes.");
  Given given;
  for (const Command& command : commands()) add_command(&app, command, &given);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // help and version
    std::ostringstream text;
    app.exit(e, text);
    glm::cli::print(text.str());
    return 0;
  } catch (const CLI::ParseError& e) {
    const std::vector<CLI::App*> parsed = app.get_subcommands();
    const CLI::App& command = parsed.empty() ? app : *parsed.front();
    glm::cli::tell("glm-image: " + glm::cli::printable(usage_message(command, e)) + "\nSee glm-image " +
                   (parsed.empty() ? "" : command.get_name() + " ") + "--help\n");
    return exit_status(glm::ErrorCode::usage);
  }
  run_command(app.get_subcommands().front()->get_name(), given);
  return 0;
}

int guarded_run(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const glm::Error& e) {
    glm::cli::tell("glm-image: " + glm::cli::printable(e.what()) + "\n");
    return exit_status(e.code());
  } catch (const std::bad_alloc&) {
    glm::cli::tell("glm-image: out of memory\n");
    return exit_status(glm::ErrorCode::memory);
  } catch (const std::exception& e) {
    glm::cli::tell("glm-image: " + glm::cli::printable(e.what()) + "\n");
    return exit_status(glm::ErrorCode::internal);
  }
}

}  // namespace

int main(int argc, char** argv) {
  glm::cli::libraries_have_started();
  glm::cli::open_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit of a file's size fails, and is told, like any other
  const int status = guarded_run(argc, argv);
  glm::cli::end_if_interrupted();
  return status;
}
