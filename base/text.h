// How numbers, lists and foreign texts are written in messages, and bytes seen as text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

// Returns the number with at most six digits: "0.5", "1e-06".
std::string number_text(double number);

// "1024x768"
std::string size_text(int64_t width, int64_t height);

// Returns "0.05 GB", or "47 GB" from ten gigabytes on.
std::string gigabytes_text(double bytes);

// Returns the names as a sentence has them: "auto, off or force".
std::string listed(const std::vector<std::string>& names);

// Returns the text with its ASCII letters in lower case, whatever the locale: "bb7d4356" of "BB7D4356".
std::string lower_case(std::string text);

// Returns how many of a text's first bytes to take, so that it is at most `most` and no UTF-8 character is cut.
size_t whole_characters(std::string_view text, size_t most);

// Returns a text that a message quotes: at most `most` bytes of it, cut between two characters, and "..." behind the
// cut.
std::string shortened(const std::string& text, size_t most);

// The same bytes under the other type.
inline std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace glm
