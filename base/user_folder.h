// Where a user's own files lie, by the XDG base directory specification.
#pragma once

#include <filesystem>

namespace glm {

// Returns $HOME, or without it the home folder in the system's list of users. Returns an empty path where neither is
// known.
std::filesystem::path home_folder();

// Returns $variable/glm-image, or else ~/in_home/glm-image: user_folder("XDG_CACHE_HOME", ".cache"). A relative path in
// either variable is ignored, as the specification asks. Returns an empty path where no home folder is known, either.
std::filesystem::path user_folder(const char* variable, const char* in_home);

}  // namespace glm
