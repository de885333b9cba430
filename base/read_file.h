// Reading a whole file that a stranger named.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace glm {

// What became of a file that was to be read whole.
struct FileContents {
  enum class Problem { none, missing, too_large, unreadable };
  Problem problem = Problem::none;
  uint64_t size = 0;  // bytes, as the file system says
  std::string bytes;  // when there was no problem
};

// Reads a regular file of at most `most` bytes. Nothing else is opened, because a pipe would be waited for: it is
// `missing`, like a name that doesn't exist. Throws nothing but std::bad_alloc.
FileContents read_whole_file(const std::filesystem::path& file, uint64_t most);

}  // namespace glm
