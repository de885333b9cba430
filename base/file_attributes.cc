#include "base/file_attributes.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace glm {
namespace {

constexpr size_t kMostBytes = 64 << 10;  // Linux's own limit of an attribute's value, and of all names together

// Splits the names that listxattr() gives, each with a NUL behind it. A file system without attributes has no names.
std::vector<std::string> split(const char* names, ssize_t size) {
  std::vector<std::string> all;
  for (ssize_t at = 0; at < size;) {
    all.emplace_back(names + at);
    at += static_cast<ssize_t>(all.back().size()) + 1;
  }
  return all;
}

bool inherit_extended(int to, const std::filesystem::path& from) {
  std::vector<char> bytes(kMostBytes);
  const std::vector<std::string> wanted = split(bytes.data(), ::listxattr(from.c_str(), bytes.data(), bytes.size()));
  const std::vector<std::string> found = split(bytes.data(), ::flistxattr(to, bytes.data(), bytes.size()));
  for (const std::string& name : found) {  // such as an access list that the folder gives to new files
    const bool stays = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    if (!stays && ::fremovexattr(to, name.c_str()) != 0) return false;
  }
  std::vector<char> has(kMostBytes);
  for (const std::string& name : wanted) {
    const ssize_t size = ::getxattr(from.c_str(), name.c_str(), bytes.data(), bytes.size());
    if (size < 0) return false;
    const ssize_t had = ::fgetxattr(to, name.c_str(), has.data(), has.size());
    if (had == size && std::equal(bytes.begin(), bytes.begin() + size, has.begin())) continue;
    if (::fsetxattr(to, name.c_str(), bytes.data(), static_cast<size_t>(size), 0) != 0) return false;
  }
  return true;
}

}  // namespace

bool inherit_attributes(int to, const std::filesystem::path& from, const struct stat& old) {
  constexpr mode_t permissions = 07777;
  struct stat now {};
  if (::fstat(to, &now) != 0) return false;
  const bool other_owner = now.st_uid != old.st_uid || now.st_gid != old.st_gid;
  if (other_owner && ::fchown(to, old.st_uid, old.st_gid) != 0) return false;
  if (!inherit_extended(to, from)) return false;
  // After the attributes, because an access list sets some of the permissions.
  if (::fstat(to, &now) != 0) return false;
  return (now.st_mode & permissions) == (old.st_mode & permissions) || ::fchmod(to, old.st_mode & permissions) == 0;
}

}  // namespace glm
