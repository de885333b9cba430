// `glm-image kernels`: what checking our CUDA kernels on this machine's GPU has shown.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace glm::cli {

struct KernelsOptions {
  std::string device = "cuda";
  bool check = false;
};

CLI::App* add_kernels(CLI::App& app, KernelsOptions& options);

// Throws glm::Error.
void run_kernels(const KernelsOptions& options);

}  // namespace glm::cli
