// Which sizes of pictures are read.
#pragma once

#include <cstdint>
#include <string>

namespace glm {

// What is wrong with a picture of these sides, by the limits of glm/picture_file.h; empty when nothing is.
std::string size_problem(int64_t width, int64_t height);

}  // namespace glm
