// Says which checkpoint a name means.
#pragma once

#include <filesystem>

namespace glm {

// The folders that hold weights, in the order in which the program loads them.
inline constexpr const char* kComponentFolders[] = {"vision_language_encoder", "transformer", "text_encoder", "vae"};

// A checkpoint's name is a folder, or "random:FOLDER" for random weights in the shapes that the folder's json files
// imply. The folder of a repository in a Hugging Face cache (models--OWNER--NAME) means its snapshot of refs/main.
struct CheckpointName {
  explicit CheckpointName(const std::filesystem::path& checkpoint);
  bool random;
  std::filesystem::path folder;
};

// Says whether a folder has something of a checkpoint, which may be damaged: model_index.json or a component's folder.
bool looks_like_checkpoint(const std::filesystem::path& folder);

// Throws Error(model) if the folder isn't a checkpoint of this pipeline at all. The message names one that is near.
void check_checkpoint(const std::filesystem::path& folder);

}  // namespace glm
