// Repairs UTF-8 from outside, and strips white space by either of the two definitions that upstream's tokenizers use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace glm {

// Returns the text with invalid UTF-8 replaced, as Python's bytes.decode(errors="replace") does: by one U+FFFD for each
// longest run of bytes that could still have become a character.
std::string repair_utf8(std::string_view text);

// Appends a code point to `text`.
void append_utf8(int32_t code_point, std::string* text);

enum class Space {
  unicode,  // the property White_Space, which is \s of upstream's regex engines
  python,   // str.isspace(), which also takes U+001C to U+001F
};

// Return `text` (valid UTF-8) without the white space at its start, or at its end.
std::string_view strip_left(std::string_view text, Space kind);
std::string_view strip_right(std::string_view text, Space kind);

}  // namespace glm
