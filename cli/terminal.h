// The two ways out of the program. What a stranger wrote, in a file, a name or an option, commands nobody's terminal.
#pragma once

#include <string>

namespace glm::cli {

// One line of text for people: control characters (C0, DEL, C1) and bytes that are no UTF-8 become spaces.
std::string printable(const std::string& text);

// To standard error, without control characters but for the ends of lines.
void tell(const std::string& text);

// To standard output: exactly, for programs; on a terminal as tell() does. A reader who has left is no failure. Throws
// Error(io), whose text ends with the hint.
void print(const std::string& text, const std::string& hint = "");

}  // namespace glm::cli
