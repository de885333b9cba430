// UTF-8 text from outside, and the two notions of white space that upstream's tokenizers use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace glm {

// Text with every invalid UTF-8 sequence replaced by U+FFFD, as Python's bytes.decode(errors="replace") does:
// one U+FFFD for each maximal part of a sequence that could still have become a character.
std::string repair_utf8(std::string_view text);

// Appends one code point.
void append_utf8(int32_t code_point, std::string* text);

enum class Space {
  unicode,  // the property White_Space, which is \s of upstream's regex engines
  python,   // str.isspace(), which also takes U+001C to U+001F
};

// `text` (valid UTF-8) without the white space at its start or end.
std::string_view strip_left(std::string_view text, Space kind);
std::string_view strip_right(std::string_view text, Space kind);

}  // namespace glm
