#include "glm/media.h"

#include <system_error>

#include "base/guarded.h"
#include "base/user_folder.h"
#include "media/store.h"

namespace glm {
namespace {

bool is_missing(const std::filesystem::path& folder) {
  std::error_code failed;
  return std::filesystem::status(folder, failed).type() == std::filesystem::file_type::not_found;
}

}  // namespace

std::filesystem::path default_media_folder() {
  const std::filesystem::path own = user_folder("XDG_DATA_HOME", ".local/share");
  return own.empty() ? own : own / "media";
}

std::vector<MediaPicture> media_pictures(const std::filesystem::path& folder) {
  return guarded([&] { return is_missing(folder) ? std::vector<MediaPicture>() : MediaStore(folder).pictures(); });
}

size_t prune_media(const std::filesystem::path& folder) {
  return guarded([&] { return is_missing(folder) ? 0 : MediaStore(folder).prune(); });
}

}  // namespace glm
