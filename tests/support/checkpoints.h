// The small checkpoints, complete, where the build has made them: tests/checkpoints/README.md.
#pragma once

#include <filesystem>
#include <string>

namespace glm {

inline std::filesystem::path checkpoint_folder(const std::string& name) {
  return std::filesystem::path(GLM_BINARY_DIR) / "checkpoints" / name;
}

}  // namespace glm
