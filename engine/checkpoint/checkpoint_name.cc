#include "engine/checkpoint/checkpoint_name.h"

#include <string>

namespace glm {

CheckpointName::CheckpointName(const std::filesystem::path& checkpoint) {
  const std::string prefix = "random:";
  const std::string text = checkpoint.string();
  random = text.starts_with(prefix);
  folder = random ? std::filesystem::path(text.substr(prefix.size())) : checkpoint;
}

}  // namespace glm
