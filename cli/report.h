// What `generate` tells. Results go to standard output, all else to standard error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "glm/pipeline.h"
#include "glm/plan.h"

namespace glm::cli {

// A picture whose file is written.
struct Written {
  std::filesystem::path file;
  uint64_t seed;
};

// Prints "glm-image: warning: …" for each.
void print_warnings(const std::vector<std::string>& warnings);

// Prints which texts will be drawn, or a hint where the shell seems to have taken the quotes.
void print_texts(const Request& request);

// "2 h 10 min"
std::string duration_text(double seconds);

// Prints sizes, grids, memory and time: for people on standard error, or as JSON on standard output.
void print_plan(const Plan& plan, const Request& request, const std::vector<std::filesystem::path>& files, bool json);

// Prints the last line on standard error: seeds, size and the time of each stage.
void print_summary(const std::vector<Written>& written, const Details& details, const Result& result);

// Prints a path for each picture, or the JSON object. A reader that has gone (`| head -0`) is no failure, because the
// pictures are in their files. Throws Error(io).
void print_results(const std::vector<Written>& written, const Details& details, const Result& result, bool json);

}  // namespace glm::cli
