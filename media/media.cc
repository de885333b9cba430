#include "glm/media.h"

#include "base/user_folder.h"
#include "media/store.h"

namespace glm {

std::filesystem::path default_media_folder() {
  const std::filesystem::path own = user_folder("XDG_DATA_HOME", ".local/share");
  return own.empty() ? own : own / "media";
}

std::vector<MediaPicture> media_pictures(const std::filesystem::path& folder) {
  return MediaStore(folder).pictures();
}

size_t prune_media(const std::filesystem::path& folder) {
  return MediaStore(folder).prune();
}

}  // namespace glm
