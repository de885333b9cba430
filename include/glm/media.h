// The media store: a folder of pictures that tasks have made or brought, found by their UUIDs. Several programs may use
// a folder at once. glm/tasks.h fills it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct MediaPicture {
  std::string uuid;
  std::filesystem::path file;
  std::string task;       // the UUID of the task that it came with; "" when that isn't known
  bool uploaded = false;  // brought by imageUpload; otherwise drawn
  int64_t bytes = 0;      // of the file
  int64_t made = 0;       // seconds since 1970
  int64_t expires = 0;    // likewise; 0: never
};

// $XDG_DATA_HOME/glm-image/media, or ~/.local/share/glm-image/media. Empty where no home folder is known.
GLM_API std::filesystem::path default_media_folder();

// Deletes what has expired, and returns the other pictures of a store, the oldest first. A folder that doesn't exist
// has none. Throws Error(io) when the store can't be used: it can't be written, belongs to a newer version, or is
// locked. Throws nothing but Error.
GLM_API std::vector<MediaPicture> media_pictures(const std::filesystem::path& folder);

// Deletes the pictures that have expired, and what is known of tasks that ended 30 days ago and have no picture left.
// Returns how many pictures were deleted. Throws what media_pictures() throws.
GLM_API size_t prune_media(const std::filesystem::path& folder);

}  // namespace glm
