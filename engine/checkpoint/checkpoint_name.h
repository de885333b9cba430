// Says which checkpoint a name means.
#pragma once

#include <filesystem>

namespace glm {

// A checkpoint's name is a folder, or "random:FOLDER" for random weights in the shapes that the folder's json files
// imply.
struct CheckpointName {
  explicit CheckpointName(const std::filesystem::path& checkpoint);
  bool random;
  std::filesystem::path folder;
};

}  // namespace glm
