// The sizes of pictures that are accepted.
#pragma once

#include <cstdint>
#include <string>

namespace glm {

// Returns what is wrong with a picture of these sides in pixels, by the limits of glm/picture_file.h, or an empty text.
std::string size_problem(int64_t width, int64_t height);

}  // namespace glm
