// The program's two outputs. They let nothing through that a stranger wrote (in a file, a name, an option) to control
// the user's terminal.
#pragma once

#include <string>

namespace glm::cli {

// Returns the text as one line for people. Control characters (C0, DEL, C1) and bytes that aren't UTF-8 become spaces.
std::string printable(const std::string& text);

// Writes to standard error, without control characters except the ends of lines.
void tell(const std::string& text);

// Writes to standard output: on a terminal as tell() does, otherwise the exact bytes, for programs. A reader that has
// gone is no failure. Throws Error(io) whose text ends with the hint.
void print(const std::string& text, const std::string& hint = "");

}  // namespace glm::cli
