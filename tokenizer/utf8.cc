#include "tokenizer/utf8.h"

#include <utf8proc.h>

#include <algorithm>

namespace glm {

namespace {

// What a character's first byte demands (Unicode, table 3-7): the length, and the range of the second byte. That range
// is narrower than 80..BF where the full one would allow overlong forms, surrogates or values above U+10FFFF.
struct Lead {
  size_t length = 0;  // 0: no character starts with this byte
  uint8_t second_low = 0x80;
  uint8_t second_high = 0xBF;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

// Counts the bytes at the start of `text` that fit one character. It is whole when they are lead.length.
size_t fitting_bytes(std::string_view text, const Lead& lead) {
  size_t n = 1;
  while (n < std::min(lead.length, text.size())) {
    const auto byte = static_cast<uint8_t>(text[n]);
    const bool fits = n == 1 ? byte >= lead.second_low && byte <= lead.second_high : (byte & 0xC0) == 0x80;
    if (!fits) break;
    ++n;
  }
  return n;
}

bool is_space(int32_t code_point, Space kind) {
  if (kind == Space::unicode && code_point >= 0x1C && code_point <= 0x1F) return false;
  const utf8proc_property_t* property = utf8proc_get_property(code_point);
  return property->category == UTF8PROC_CATEGORY_ZS || property->bidi_class == UTF8PROC_BIDI_CLASS_WS ||
         property->bidi_class == UTF8PROC_BIDI_CLASS_B || property->bidi_class == UTF8PROC_BIDI_CLASS_S;
}

int32_t first_code_point(std::string_view text, size_t* length) {
  int32_t code_point = 0;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto n = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size(), 4)), &code_point);
  *length = n > 0 ? static_cast<size_t>(n) : 1;
  return code_point;
}

}  // namespace

std::string repair_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const Lead lead = lead_of(static_cast<uint8_t>(text.front()));
    const size_t n = fitting_bytes(text, lead);
    if (n == lead.length) {
      repaired.append(text.substr(0, n));
    } else {
      repaired.append("\xEF\xBF\xBD");
    }
    text.remove_prefix(n);
  }
  return repaired;
}

void append_utf8(int32_t code_point, std::string* text) {
  utf8proc_uint8_t bytes[4];
  const auto n = utf8proc_encode_char(code_point, bytes);
  text->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

std::string_view strip_left(std::string_view text, Space kind) {
  size_t length = 0;
  while (!text.empty() && is_space(first_code_point(text, &length), kind)) text.remove_prefix(length);
  return text;
}

std::string_view strip_right(std::string_view text, Space kind) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    size_t length = 0;
    if (!is_space(first_code_point(text.substr(start), &length), kind)) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

}  // namespace glm
