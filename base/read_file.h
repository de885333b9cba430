// Reads a whole file that a stranger named.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace glm {

// The contents of a file, or why they couldn't be read.
struct FileContents {
  enum class Problem { none, missing, too_large, unreadable };
  Problem problem = Problem::none;
  uint64_t size = 0;  // bytes, as the file system says
  std::string bytes;  // empty where there was a problem
};

// Reads a regular file of at most `most` bytes. Anything else counts as `missing`, like a name that doesn't
// exist: opening a pipe, for instance, would wait for its writer. Throws nothing but std::bad_alloc.
FileContents read_whole_file(const std::filesystem::path& file, uint64_t most);

}  // namespace glm
