#include "base/atomic_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// file: as the caller knows `destination`
void write_stream(const fs::path& destination, const fs::path& file, const std::function<void(std::ostream&)>& write) {
  errno = 0;
  std::ofstream out(destination, std::ios::binary | std::ios::trunc);
  if (out) write(out);
  out.close();
  if (!out) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "the write failed";
    throw Error(ErrorCode::io, file.string() + ": can't be written (" + reason + "); choose another place");
  }
}

}  // namespace

void write_file(const fs::path& file, const std::function<void(std::ostream&)>& write) {
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (fs::is_directory(status)) {
      throw Error(ErrorCode::io, file.string() + ": expected a file to write, found a folder");
    }
    write_stream(file, file, write);
    return;
  }
  // A link is followed, so that the file it names is replaced, not the link.
  const fs::path target = fs::exists(status) ? fs::canonical(file) : file;
  const fs::path temporary = target.string() + ".partial-" + std::to_string(::getpid());
  try {
    write_stream(temporary, file, write);
    fs::rename(temporary, target);
  } catch (const fs::filesystem_error& e) {
    fs::remove(temporary, ignored);
    throw Error(ErrorCode::io, file.string() + ": can't be written (" + e.code().message() + ")");
  } catch (...) {
    fs::remove(temporary, ignored);
    throw;
  }
}

}  // namespace glm
