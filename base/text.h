// How numbers and foreign texts are written in messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace glm {

// Returns the number with at most six digits: "0.5", "1e-06".
std::string number_text(double number);

// "1024x768"
std::string size_text(int64_t width, int64_t height);

// Returns "0.05 GB", or "47 GB" from ten gigabytes on.
std::string gigabytes_text(double bytes);

// Returns a text that a message quotes: at most `most` bytes of it, cut between two characters, and "..." behind the
// cut.
std::string shortened(const std::string& text, size_t most);

}  // namespace glm
