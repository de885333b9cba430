// The files that `generate` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "glm/encode.h"

namespace glm::cli {

// Where pictures go, one place for each seed, and how.
struct Output {
  std::vector<std::filesystem::path> files;  // "-" is standard output
  PictureFormat format;
  int quality;

  // Error(usage) for names that contradict the format or each other, Error(io) for a place that can't be written as far
  // as can be told without touching it, or that is taken: better before the work than after.
  Output(const GenerateOptions& options, const std::vector<uint64_t>& seeds);

  // Whole or not at all. Error(io).
  void write(size_t picture, const std::vector<uint8_t>& bytes) const;
};

// "png", "jpg", "webp"
std::string format_name(PictureFormat format);

// Error(io) when `file` can't be written, as far as can be told without touching it, or is there and not to be
// replaced.
void check_place(const std::filesystem::path& file, bool overwrite);

}  // namespace glm::cli
