// Texts from outside, character by character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace glm::cli {

struct Character {
  int32_t code_point;  // -1: no UTF-8 character begins here
  size_t length;       // bytes; 1 where there is none
};
Character character_at(const std::string& text, size_t at);

// Returns where the first byte stands that is no part of a UTF-8 character, or std::string::npos when all is UTF-8.
size_t first_foreign_byte(const std::string& text);

// Says whether a terminal shows the character where it stands and does nothing else. Controls (C0, DEL, C1), marks of
// writing direction, characters without width and ends of lines or paragraphs are not printable.
bool is_printable(int32_t code_point);

// Says whether nobody would see anything of the text: it is empty, or has spaces, controls and the like alone.
bool is_blank(const std::string& text);

}  // namespace glm::cli
