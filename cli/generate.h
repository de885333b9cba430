// `glm-image generate PROMPT`: a prompt, and pictures to start from, to a PNG.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glm::cli {

struct GenerateOptions {
  std::string prompt;
  std::vector<std::string> references;
  std::string model;  // "": the one that comes with the program
  std::string device = "auto";
  std::string prior_precision = "bf16";
  std::string kernels = "auto";
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  std::optional<int64_t> steps;
  std::optional<double> guidance;
  int64_t seed = -1;
  int64_t count = 1;
  std::vector<uint64_t> seeds;  // instead of seed and count
  std::string rng = "cuda";
  bool greedy = false;
  std::string dtype = "auto";
  int threads = 0;
  std::string output;  // "": glm-image-SEED.png
  std::string dump;
  std::string dump_level = "stages";
  std::string inject;
  bool parse_special = false;
  bool allow_early_stop = false;
  bool quiet = false;
};

CLI::App* add_generate(CLI::App& app, GenerateOptions& options);

// Throws glm::Error.
void run_generate(const GenerateOptions& options);

}  // namespace glm::cli
