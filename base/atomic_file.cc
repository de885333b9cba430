#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/refuse.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// file: the name of `destination` in messages
void write_stream(const fs::path& destination, const fs::path& file, const std::function<void(std::ostream&)>& write) {
  errno = 0;
  std::ofstream out(destination, std::ios::binary | std::ios::trunc);
  if (out) write(out);
  out.close();
  if (!out) refuse_to_write(file, errno != 0 ? std::strerror(errno) : "the write failed");
}

// Waits until a file's contents or a folder's names are on the disk. Some can't be synchronised, such as folders of
// some file systems: those are left to the system.
void synchronise(const fs::path& path, const fs::path& file) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  const int failure = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (failure == EIO || failure == ENOSPC || failure == EDQUOT) refuse_to_write(file, std::strerror(failure));
}

// Makes a new empty file beside `target` that nobody else writes: no other thread or process, and none on another
// machine that shares the file system.
fs::path make_temporary(const fs::path& target, const fs::path& file) {
  static std::atomic<uint64_t> count = 0;
  for (int attempt = 0;; ++attempt) {
    const std::string name = target.string() + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
    const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) {
      ::close(descriptor);
      return name;
    }
    if (errno != EEXIST || attempt == 1000) refuse_to_write(file, std::strerror(errno));
  }
}

}  // namespace

void write_file(const fs::path& file, const std::function<void(std::ostream&)>& write) {
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (fs::is_directory(status)) {
      refuse(ErrorCode::io, file.string(), "a file to write", "a folder");
    }
    write_stream(file, file, write);
    return;
  }
  // A link is followed, so that the file it names is replaced, not the link.
  const fs::path target = fs::exists(status) ? fs::canonical(file) : file;
  const fs::path temporary = make_temporary(target, file);
  try {
    write_stream(temporary, file, write);
    synchronise(temporary, file);
    fs::rename(temporary, target);
  } catch (const fs::filesystem_error& e) {
    fs::remove(temporary, ignored);
    refuse_to_write(file, e.code().message());
  } catch (...) {
    fs::remove(temporary, ignored);
    throw;
  }
  synchronise(target.has_parent_path() ? target.parent_path() : fs::path("."), file);
}

void refuse_to_write(const fs::path& file, const std::string& reason) {
  throw Error(ErrorCode::io, file.string() + ": can't be written (" + reason + "); choose another place");
}

}  // namespace glm
