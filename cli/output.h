// The files that `generate` writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.h"
#include "glm/cancel.h"
#include "glm/encode.h"

namespace glm::cli {

// Where the pictures go, one file for each seed, and in which format.
struct Output {
  std::vector<std::filesystem::path> files;  // "-" is standard output
  PictureFormat format;
  int quality;
  bool overwrite;

  // Finds the files' names and checks them, and the dump's, before any work is done. Throws Error(usage) for names that
  // contradict the format or each other, and Error(io) for a file that exists and isn't to be replaced, or that can't
  // be written as far as that can be seen.
  Output(const GenerateOptions& options, const std::vector<uint64_t>& seeds);

  // Where a picture is, and, unless that is empty, why it isn't in its own file.
  struct Place {
    std::filesystem::path file;
    std::string problem;
  };

  // Writes a picture's bytes, to a file whole or not at all. A picture whose file can't be written is kept in another:
  // beside it, or else in a new folder of the temporary folder. So is one that waits for a pipe's reader when the token
  // is set. Throws Error(io) where nothing can be written.
  Place write(size_t picture, const std::vector<uint8_t>& bytes, const CancelToken& cancel) const;
};

// Returns "png", "jpg" or "webp".
std::string picture_format_name(PictureFormat format);

}  // namespace glm::cli
