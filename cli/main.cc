// The program `glm-image`. With the subcommands' files, the only place that prints or exits.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "base/error.h"
#include "cli/generate.h"

namespace {

// Waiting OpenMP threads sleep instead of spinning: on a busy machine two spinning threads are 10 to 50 times slower
// than one. libgomp reads this when it is loaded, before main, so it is set before any library starts.
void let_threads_sleep(int /*argc*/, char** /*argv*/, char** /*environment*/) {
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
}
__attribute__((section(".preinit_array"), used)) void (*const g_before_libraries)(int, char**,
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

}  // namespace

int main(int argc, char** argv) {
  try {
    CLI::App app{"Draws pictures with GLM-Image."};
    app.set_version_flag("--version", std::string("glm-image ") + GLM_VERSION);
    app.require_subcommand(1);
    glm::cli::GenerateOptions generate;
    const CLI::App* generate_command = glm::cli::add_generate(app, generate);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      // Help and version end with 0; CLI11's own codes for mistakes become the one for usage.
      return app.exit(e, std::cout, std::cerr) == 0 ? 0 : exit_status(glm::ErrorCode::usage);
    }
    if (generate_command->parsed()) glm::cli::run_generate(generate);
    return 0;
  } catch (const glm::Error& e) {
    std::cerr << "glm-image: " << e.what() << "\n";
    return exit_status(e.code());
  } catch (const std::exception& e) {
    std::cerr << "glm-image: " << e.what() << "\n";
    return exit_status(glm::ErrorCode::internal);
  }
}
