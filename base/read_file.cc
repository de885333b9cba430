#include "base/read_file.h"

#include <fstream>

namespace glm {

FileContents read_whole_file(const std::filesystem::path& file, uint64_t most) {
  using Problem = FileContents::Problem;
  FileContents contents;
  contents.problem = Problem::missing;
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed)) {
    if (failed == std::errc::permission_denied) contents.problem = Problem::unreadable;
    return contents;
  }
  contents.size = std::filesystem::file_size(file, failed);
  if (failed) return contents;
  contents.problem = Problem::too_large;
  if (contents.size > most) return contents;
  contents.problem = Problem::unreadable;
  std::ifstream in(file, std::ios::binary);
  if (!in) return contents;
  contents.bytes.resize(contents.size);
  if (in.read(contents.bytes.data(), static_cast<std::streamsize>(contents.size))) contents.problem = Problem::none;
  return contents;
}

}  // namespace glm
