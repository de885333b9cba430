// The program `glm-image`. With the subcommands' files, the only place that prints or exits.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/devices.h"
#include "cli/generate.h"
#include "cli/kernels.h"

namespace {

// Waiting OpenMP threads sleep instead of spinning: on a busy machine two spinning threads are 10 to 50 times slower
// than one. libgomp reads this when it is loaded, before main, so it is set before any library starts.
void let_threads_sleep(int /*argc*/, char** /*argv*/, char** /*environment*/) {
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
}
__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibraries)(int, char**,
                                                                                char**) = let_threads_sleep;

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

// What is wrong with the arguments, in this program's words; CLI11's don't say what to do.
std::string usage_message(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> left = command.remaining();
  const std::string first = left.empty() ? "" : left.front();
  if (first.size() > 1 && first[0] == '-') return "unknown option " + first;
  if (command.get_parent() == nullptr) {
    const std::string found = first.empty() ? "none" : "\"" + first + "\"";
    return "expected a command such as generate, found " + found + "; to draw: glm-image generate \"a red apple\"";
  }
  if (!first.empty() && command.get_name() != "generate") {
    const std::string expected = command.get_options().size() > 1 ? "only options" : "nothing";  // --help is one
    return "expected " + expected + " after " + command.get_name() + ", found \"" + first + "\"";
  }
  if (!first.empty()) {
    return "expected one prompt, found also \"" + first + "\"; put the whole prompt in quotes";
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return "expected a prompt, found none; for example: glm-image generate \"a red apple\"";
  }
  std::string what = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return what.substr(0, what.find(':')) + ": expected a value, found none";
  }
  return what;
}

int run(int argc, char** argv) {
  CLI::App app{"Draws pictures with GLM-Image.", "glm-image"};
  app.set_version_flag("--version", std::string("glm-image ") + GLM_VERSION);
  app.require_subcommand(1);
  app.footer(
      "\nExample:\n"
      "  glm-image generate \"a red apple on a table\" -o apple.png\n\n"
      "glm-image generate --help lists what it takes.");
  glm::cli::GenerateOptions options;
  glm::cli::add_generate(app, options);
  const CLI::App* devices = glm::cli::add_devices(app);
  glm::cli::KernelsOptions kernels_options;
  const CLI::App* kernels = glm::cli::add_kernels(app, kernels_options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // help and version
  } catch (const CLI::ParseError& e) {
    const std::vector<CLI::App*> parsed = app.get_subcommands();
    const CLI::App& command = parsed.empty() ? app : *parsed.front();
    throw glm::Error(glm::ErrorCode::usage, usage_message(command, e) + "\nSee glm-image " +
                                                (parsed.empty() ? "" : command.get_name() + " ") + "--help");
  }
  if (devices->parsed()) {
    glm::cli::run_devices();
  } else if (kernels->parsed()) {
    glm::cli::run_kernels(kernels_options);
  } else {
    glm::cli::run_generate(options);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const glm::Error& e) {
    const bool interrupted = e.code() == glm::ErrorCode::cancelled;
    std::cerr << "glm-image: " << (interrupted ? "interrupted; no picture was written" : e.what()) << "\n";
    return exit_status(e.code());
  } catch (const std::exception& e) {
    std::cerr << "glm-image: " << e.what() << "\n";
    return exit_status(glm::ErrorCode::internal);
  }
}
