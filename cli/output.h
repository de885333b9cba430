// The files that `generate` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "glm/encode.h"

namespace glm::cli {

// Where the pictures go, one file for each seed, and in which format.
struct Output {
  std::vector<std::filesystem::path> files;  // "-" is standard output
  PictureFormat format;
  int quality;

  // Finds the files' names and checks them before any work is done. Throws Error(usage) for names that contradict the
  // format or each other, and what check_place() throws.
  Output(const GenerateOptions& options, const std::vector<uint64_t>& seeds);

  // Writes a picture's bytes, to a file whole or not at all. Throws Error(io).
  void write(size_t picture, const std::vector<uint8_t>& bytes) const;
};

// Returns "png", "jpg" or "webp".
std::string picture_format_name(PictureFormat format);

// Throws Error(io) when `file` exists and isn't to be replaced, or when it can't be written. It doesn't touch the file,
// so writing may still fail later.
void check_place(const std::filesystem::path& file, bool overwrite);

}  // namespace glm::cli
