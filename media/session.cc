#include "media/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/atomic_file.h"
#include "base/uuid.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

bool is_running(const fs::path& folder, const std::string& name) {
  if (!is_uuid4(name)) return false;
  const int descriptor = ::open((folder / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return errno != ENOENT;  // such as EACCES: nobody can tell
  const bool is_free = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  ::close(descriptor);
  return !is_free;
}

}  // namespace

Session::Session(const fs::path& folder) : folder_(folder) {
  // Another program may take the file for an old one, and delete it before it is locked.
  for (int attempt = 0; attempt < 100; ++attempt) {
    name_ = new_uuid();
    file_ = folder / name_;
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor_ < 0) break;
    struct stat status {};
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 && ::fstat(descriptor_, &status) == 0 && status.st_nlink > 0)
      return;
    ::unlink(file_.c_str());
    ::close(descriptor_);
  }
  refuse_to_write(folder, std::strerror(errno));
}

Session::~Session() {
  if (!process_.is_in_child()) ::unlink(file_.c_str());
  ::close(descriptor_);
}

bool Session::sees(const std::string& name) const {
  return is_running(folder_, name);
}

void sweep_sessions(const fs::path& folder) {
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    const fs::path file = entry->path();
    if (is_uuid4(file.filename().string()) && !is_running(folder, file.filename().string())) ::unlink(file.c_str());
  }
}

}  // namespace glm
