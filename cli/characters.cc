#include "cli/characters.h"

#include <utf8proc.h>

namespace glm::cli {

Character character_at(const std::string& text, size_t at) {
  Character found{.code_point = -1, .length = 1};
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
  const utf8proc_ssize_t length =
      utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &found.code_point);
  if (length > 0) found.length = static_cast<size_t>(length);
  return found;
}

size_t first_foreign_byte(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const Character next = character_at(text, at);
    if (next.code_point < 0) return at;
    at += next.length;
  }
  return std::string::npos;
}

bool is_printable(int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:  // controls
    case UTF8PROC_CATEGORY_CF:  // of direction, joining and tagging
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:  // private: each font and terminal shows something else
    case UTF8PROC_CATEGORY_CN:  // not a character yet
      return false;
    default:
      break;
  }
  // Letters and marks by category that show nothing: the joiner of graphemes, fillers of Hangul, and selectors of
  // variants.
  const bool selector =
      (code_point >= 0xFE00 && code_point <= 0xFE0F) || (code_point >= 0xE0100 && code_point <= 0xE01EF);
  const bool filler = code_point == 0x115F || code_point == 0x1160 || code_point == 0x3164 || code_point == 0xFFA0;
  return !selector && !filler && code_point != 0x034F;
}

bool is_blank(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const Character next = character_at(text, at);
    const bool shows = next.code_point < 0 || is_printable(next.code_point);
    if (shows && utf8proc_category(next.code_point) != UTF8PROC_CATEGORY_ZS) return false;
    at += next.length;
  }
  return true;
}

}  // namespace glm::cli
