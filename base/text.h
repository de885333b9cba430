// How numbers are written in messages.
#pragma once

#include <cstdint>
#include <string>

namespace glm {

// The shortest of six digits: "0.5", "1e-06".
std::string number_text(double number);

// "1024x768"
std::string size_text(int64_t width, int64_t height);

// "0.05 GB", or from ten gigabytes on "47 GB".
std::string gigabytes_text(double bytes);

}  // namespace glm
