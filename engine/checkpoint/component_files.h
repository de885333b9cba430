// Opens the files that hold a component's weights. It also opens those of a damaged component, and says what is wrong.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"

namespace glm {

struct ComponentFiles {
  std::vector<SafetensorsFile> files;  // those that could be opened
  std::vector<std::string> problems;   // each names a file, says what is wrong with it and what to do

  // Opens the component's one file, or the shards that its index names. If neither is there, opens each safetensors
  // file of the folder. Throws nothing but std::bad_alloc.
  explicit ComponentFiles(const std::filesystem::path& folder, FileAccess access = FileAccess::read);
  // Takes one file that is open already.
  explicit ComponentFiles(const SafetensorsFile& file) : files{file} {}

 private:
  void open(const std::filesystem::path& file, FileAccess access);
  void open_shards(const std::filesystem::path& index, FileAccess access);
};

// Returns the first three names in quotes, and … if there are more.
std::string first_of(const std::vector<std::string>& names);

}  // namespace glm
