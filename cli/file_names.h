// Names of the files that `generate` writes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>

namespace glm::cli {

// Returns the name of one picture of several: %d stands for its number, %03d for the number in three digits, %s for its
// seed, and %% for %. Any other % stays as it is.
std::string expanded(const std::string& pattern, size_t number, uint64_t seed);

// Returns "a-2.png" for "a.png" and 2. A name that would be longer than file systems allow is cut.
std::filesystem::path numbered(const std::filesystem::path& file, int number);

// JSON is UTF-8, and a file's name needn't be. Such a name has U+FFFD in JSON for each byte that isn't UTF-8. So there
// its bytes are told beside it, in base64.
bool is_utf8(const std::filesystem::path& file);
std::string bytes_of_name(const std::filesystem::path& file);

// Files that are going to be written. Each has to be another file, whatever it is called, and none may be standard
// output. Devices such as /dev/null take any number of outputs.
class FileSet {
 public:
  // Throws Error(usage), which begins with the option, for a file that is there already, under this or another name.
  void add(const std::string& option, const std::filesystem::path& file);

 private:
  // A file that exists has its device and its number here. A file that doesn't exist yet has those of its folder, and
  // its name in it.
  using Identity = std::tuple<dev_t, ino_t, std::string>;
  std::map<Identity, std::filesystem::path> names_;
};

}  // namespace glm::cli
