#include "base/user_folder.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace glm {

namespace fs = std::filesystem;

namespace {

fs::path absolute(const char* text) {
  return text != nullptr && fs::path(text).is_absolute() ? fs::path(text) : fs::path();
}

}  // namespace

fs::path home_folder() {
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return home;
  std::array<char, 16384> buffer{};  // for the texts of the user's line
  passwd line{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &line, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return absolute(found->pw_dir);
}

fs::path user_folder(const char* variable, const char* in_home) {
  if (const fs::path own = absolute(std::getenv(variable)); !own.empty()) return own / "glm-image";
  if (const fs::path home = absolute(home_folder().c_str()); !home.empty()) return home / in_home / "glm-image";
  return {};
}

}  // namespace glm
