// The program's two outputs. They let nothing through that a stranger wrote (in a file, a name, an option) to control
// the user's terminal.
#pragma once

#include <string>

namespace glm::cli {

// Returns the text as one line for people. Control characters (C0, DEL, C1) and bytes that aren't UTF-8 become spaces.
std::string printable(const std::string& text);

// Writes to standard error, without control characters except the ends of lines.
void tell(const std::string& text);

// Throws Error(io) when something that tell() was given couldn't be written: for results that go to standard error.
void check_told();

// Writes to standard output: on a terminal as tell() does, otherwise the exact bytes, for programs. A reader that has
// gone is no failure. Throws Error(io) whose text ends with the hint.
void print(const std::string& text, const std::string& hint = "");

// Opens those of the standard streams that the program was started without. Otherwise the next files to be opened would
// get their numbers, and what is printed would land in those. Reading and writing them still fails.
void open_standard_streams();

}  // namespace glm::cli
