// The files of a component's weights, whatever is wrong with them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"

namespace glm {

struct ComponentFiles {
  std::vector<SafetensorsFile> files;  // those that could be opened
  std::vector<std::string> problems;   // each names a file, says what is wrong with it and what to do

  // Opens what Weights would: one file, or the shards of an index. Where neither is there, each safetensors file of the
  // folder. Throws nothing but std::bad_alloc.
  explicit ComponentFiles(const std::filesystem::path& folder);
  // One file that is open already.
  explicit ComponentFiles(const SafetensorsFile& file) : files{file} {}

 private:
  void open(const std::filesystem::path& file);
  void open_shards(const std::filesystem::path& index);
};

}  // namespace glm
