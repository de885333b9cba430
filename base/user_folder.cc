#include "base/user_folder.h"

#include <cstdlib>

namespace glm {

namespace fs = std::filesystem;

fs::path user_folder(const char* variable, const char* in_home) {
  const auto absolute = [](const char* name) -> fs::path {
    const char* const value = std::getenv(name);
    return value != nullptr && fs::path(value).is_absolute() ? fs::path(value) : fs::path();
  };
  if (const fs::path own = absolute(variable); !own.empty()) return own / "glm-image";
  if (const fs::path home = absolute("HOME"); !home.empty()) return home / in_home / "glm-image";
  return {};
}

}  // namespace glm
