#include "base/atomic_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ext/stdio_filebuf.h>
#include <random>

#include "base/file_attributes.h"
#include "base/quiet_writes.h"
#include "base/refuse.h"
#include "base/stoppable_writes.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// What write_file() was asked to do, and what it found.
struct Job {
  const fs::path& file;  // its name in messages
  const Write& write;
  bool replace;
  fs::path target;        // the file behind links
  bool exists;            // a regular file that is to be replaced
  const struct stat old;  // of that file
};

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// Waits until a file's contents or a folder's names are on the disk. Some can't be synchronised, such as devices and
// the folders of some file systems: those are left to the system.
void synchronise(int descriptor, const fs::path& file) {
  if (::fsync(descriptor) == 0) return;
  if (errno == EIO || errno == ENOSPC || errno == EDQUOT) refuse_to_write(file, std::strerror(errno));
}

void synchronise_folder(const fs::path& folder, const fs::path& file) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  __gnu_cxx::stdio_filebuf<char> closes(descriptor, std::ios::in);
  synchronise(descriptor, file);
}

// Fills an open file and closes it.
void fill(int descriptor, const Job& job) {
  errno = 0;
  __gnu_cxx::stdio_filebuf<char> buffer(descriptor, std::ios::out | std::ios::binary);
  std::ostream out(&buffer);
  job.write(out);
  out.flush();
  const auto failed = [&] { return errno != 0 ? std::strerror(errno) : "the write failed"; };
  if (!out) refuse_to_write(job.file, failed());
  synchronise(descriptor, job.file);
  errno = 0;
  if (buffer.close() == nullptr) refuse_to_write(job.file, failed());
}

// Makes a new empty file in the target's folder, under a name that nobody can foresee, and opens it. Returns -1 where
// that can't be done, with the reason in errno. When there is no file at the target yet, the new file has the
// permissions that the system gives to new files. When it is going to replace one, only its owner may open it, until
// inherit_attributes() gives it the permissions of the old file.
int make_temporary(const Job& job, fs::path* name) {
  std::random_device random;
  for (int attempt = 0;; ++attempt) {
    char text[64];
    std::snprintf(text, sizeof text, "glm-image-%08x%08x.partial", random(), random());
    *name = job.target.parent_path() / text;
    const int descriptor = ::open(name->c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, job.exists ? 0600 : 0666);
    if (descriptor >= 0 || errno != EEXIST || attempt == 1000) return descriptor;
  }
}

// What became of a way to write the target.
enum class Outcome { done, taken, impossible };  // taken: there is a file that must not be replaced

// Says whether writing the file itself may succeed where making a file beside it, or renaming one, failed with `error`.
// A full disk isn't among these: the old contents would be lost for nothing.
bool is_of_the_folder(int error) {
  switch (error) {
    case EACCES:
    case EBUSY:
    case ENAMETOOLONG:
    case ENOENT:
    case EPERM:
    case EROFS:
    case EXDEV:
      return true;
    default:
      return false;
  }
}

Outcome rename_to_target(const fs::path& temporary, const Job& job) {
  if (job.replace) {
    if (::rename(temporary.c_str(), job.target.c_str()) == 0) return Outcome::done;
  } else {
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, job.target.c_str(), RENAME_NOREPLACE) == 0) {
      return Outcome::done;
    }
    if (errno == EEXIST) return Outcome::taken;
    // Not all file systems and systems can do that. A link doesn't replace anything, either.
    if (::link(temporary.c_str(), job.target.c_str()) == 0) {
      ::unlink(temporary.c_str());
      return Outcome::done;
    }
    if (errno == EEXIST) return Outcome::taken;
  }
  if (job.replace && !is_of_the_folder(errno)) refuse_to_write(job.file, std::strerror(errno));
  return Outcome::impossible;
}

Outcome write_beside(const Job& job) {
  fs::path temporary;
  const int descriptor = make_temporary(job, &temporary);
  if (descriptor < 0) {
    if (!is_of_the_folder(errno)) refuse_to_write(job.file, std::strerror(errno));
    return Outcome::impossible;
  }
  Outcome outcome = Outcome::impossible;
  try {
    if (job.exists && !inherit_attributes(descriptor, job.target, job.old)) {
      ::close(descriptor);
    } else {
      fill(descriptor, job);
      outcome = rename_to_target(temporary, job);
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (outcome == Outcome::done) {
    synchronise_folder(folder_of(job.target), job.file);
  } else {
    ::unlink(temporary.c_str());
  }
  return outcome;
}

// Hands the bytes that a stream is given to the reader of a pipe or a device, without collecting them first.
class ReaderBuffer : public std::streambuf {
 public:
  ReaderBuffer(int descriptor, const fs::path& file) : descriptor_(descriptor), file_(file) {}

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::span<const uint8_t> bytes = as_bytes({text, static_cast<size_t>(size)});
    if (!write_to_reader(descriptor_, file_, bytes)) refuse_to_write(file_, std::strerror(errno));
    return size;
  }
  int_type overflow(int_type c) override {
    const char one = traits_type::to_char_type(c);
    if (!traits_type::eq_int_type(c, traits_type::eof())) xsputn(&one, 1);
    return traits_type::not_eof(c);
  }

 private:
  int descriptor_;
  const fs::path& file_;
};

// Writes to a pipe or a device.
void write_for_reader(const Job& job) {
  const int descriptor = open_for_reader(job.target);
  if (descriptor < 0) refuse_to_write(job.file, std::strerror(errno));
  __gnu_cxx::stdio_filebuf<char> closes(descriptor, std::ios::out);
  ReaderBuffer buffer(descriptor, job.file);
  std::ostream out(&buffer);
  out.exceptions(std::ios::badbit);  // what the buffer throws comes out
  job.write(out);
  synchronise(descriptor, job.file);
}

// Writes directly to the target, without a temporary file. makes: the target is a new file; otherwise it exists.
Outcome write_itself(const Job& job, bool makes) {
  const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (makes ? O_CREAT | O_EXCL : O_TRUNC);
  const int descriptor = ::open(job.target.c_str(), flags, 0666);
  if (descriptor < 0 && makes && errno == EEXIST) return Outcome::taken;
  if (descriptor < 0) refuse_to_write(job.file, std::strerror(errno));
  try {
    fill(descriptor, job);
  } catch (...) {
    if (makes) ::unlink(job.target.c_str());
    throw;
  }
  return Outcome::done;
}

// Returns false where there is a file that must not be replaced.
bool write_to(const fs::path& file, const Write& write, bool replace) {
  const QuietWrites quiet;
  struct stat old {};
  const bool exists = ::stat(file.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) refuse_to_write(file, std::strerror(errno));
  if (exists && S_ISDIR(old.st_mode)) refuse(ErrorCode::io, file.string(), "a file to write", "a folder");
  Job job{.file = file, .write = write, .replace = replace, .target = file, .exists = exists, .old = old};
  if (exists && !S_ISREG(old.st_mode)) {
    write_for_reader(job);
    return true;
  }
  if (exists && !replace) return false;
  job.target = behind_links(file);
  struct stat behind {};
  const bool same =
      ::stat(job.target.c_str(), &behind) == 0 && behind.st_dev == old.st_dev && behind.st_ino == old.st_ino;
  if (exists && !same) {  // a link that only the system can follow, such as /dev/fd/3 of a deleted file
    job.target = file;
    return write_itself(job, /*makes=*/false) == Outcome::done;
  }
  Outcome outcome = write_beside(job);
  if (outcome == Outcome::impossible) outcome = write_itself(job, /*makes=*/!exists);
  if (outcome == Outcome::taken && replace) refuse_to_write(file, std::strerror(EEXIST));
  return outcome == Outcome::done;
}

// Throws Error(io) where `place`, the file or its folder, is of a file system in which programs make no files of their
// own, whatever its permissions say.
void check_file_system(const fs::path& file, const fs::path& place) {
  constexpr int64_t closed[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                DEBUGFS_MAGIC,    TRACEFS_MAGIC, SECURITYFS_MAGIC,   DEVPTS_SUPER_MAGIC,
                                BPF_FS_MAGIC,     SELINUX_MAGIC};
  struct statfs system {};
  if (::statfs(place.c_str(), &system) != 0) return;
  const auto found = std::find(std::begin(closed), std::end(closed), int64_t{system.f_type});
  if (found != std::end(closed)) refuse_to_write(file, "the system makes all files there");
}

// Throws Error(io) when a regular file can't be replaced or written. Its own owner may always replace it where the
// folder can be written. Others have to be able to write the file, because a new one wouldn't have its owner.
void check_replaced(const fs::path& file, const struct stat& old, const fs::path& folder) {
  if (::access(file.c_str(), W_OK) == 0) return;
  const int failure = errno;
  const bool replaceable = failure == EACCES && old.st_uid == ::geteuid() && ::access(folder.c_str(), W_OK | X_OK) == 0;
  if (!replaceable) refuse_to_write(file, std::strerror(failure));
}

}  // namespace

fs::path behind_links(fs::path file) {
  constexpr int most = 40;  // Linux's own limit
  for (int k = 0; k < most; ++k) {
    std::error_code none;
    const fs::path next = fs::read_symlink(file, none);
    if (none) break;
    file = file.parent_path() / next;
  }
  return file;
}

void check_place(const fs::path& file) {
  struct stat status {};
  const bool exists = ::stat(file.c_str(), &status) == 0;
  const int failure = exists ? 0 : errno;
  const fs::path target = behind_links(file);
  const fs::path folder = folder_of(target);
  if (exists && S_ISDIR(status.st_mode)) refuse(ErrorCode::io, file.string(), "a file to write", "a folder");
  if (exists && S_ISSOCK(status.st_mode)) refuse(ErrorCode::io, file.string(), "a file to write", "a socket");
  if (exists && S_ISREG(status.st_mode)) {
    check_replaced(file, status, folder);
    return check_file_system(file, file);
  }
  if (exists) {  // a device or a pipe is written itself
    if (::access(file.c_str(), W_OK) != 0) refuse_to_write(file, std::strerror(errno));
    return;
  }
  std::error_code ignored;
  if (failure == ENOENT && !fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::io, file.string() + ": can't be written, because there is no folder " + folder.string() +
                                   "; make it first");
  }
  if (failure != ENOENT) refuse_to_write(file, std::strerror(failure));  // such as a name that is too long
  if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse_to_write(file, std::strerror(errno));
  check_file_system(file, folder);
}

Write bytes_writer(std::span<const uint8_t> bytes) {
  return
      [text = as_text(bytes)](std::ostream& out) { out.write(text.data(), static_cast<std::streamsize>(text.size())); };
}

void write_file(const fs::path& file, const Write& write) {
  write_to(file, write, /*replace=*/true);
}

bool write_new_file(const fs::path& file, const Write& write) {
  return write_to(file, write, /*replace=*/false);
}

void refuse_to_write(const fs::path& file, const std::string& reason) {
  throw Error(ErrorCode::io, file.string() + ": can't be written (" + reason + "); choose another place");
}

}  // namespace glm
