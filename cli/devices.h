// `glm-image devices`: what this machine has to compute on, and which one `generate` takes.
#pragma once

#include <CLI/CLI.hpp>

namespace glm::cli {

CLI::App* add_devices(CLI::App& app);

// Throws glm::Error.
void run_devices();

}  // namespace glm::cli
