// What `generate` tells: on standard output results alone, all else on standard error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "glm/pipeline.h"
#include "glm/plan.h"

namespace glm::cli {

// A picture that stands in its file.
struct Written {
  std::filesystem::path file;
  uint64_t seed;
};

// "glm-image: warning: …" for each.
void print_warnings(const std::vector<std::string>& warnings);

// Which texts will be drawn; a hint where quotes seem to have got lost on the way.
void print_texts(const Request& request);

// "2 h 10 min"
std::string duration_text(double seconds);

// Sizes, grids, memory and time: for people on standard error, or JSON on standard output.
void print_plan(const Plan& plan, const Request& request, const std::vector<std::filesystem::path>& files, bool json);

// The last line of all on standard error: seeds and the time of each stage.
void print_summary(const std::vector<Written>& written, const Details& details, const Result& result);

// A path for each picture, or the JSON object. A reader who left early (`| head -0`) is no failure: the pictures stand
// in their files. Throws Error(io).
void print_results(const std::vector<Written>& written, const Details& details, const Result& result, bool json);

}  // namespace glm::cli
