// The program's two outputs. A stranger may have written characters that control the user's terminal into a file, a
// name or an option; on a terminal the outputs don't let these through.
#pragma once

#include <string>

namespace glm::cli {

// Returns the text as one line for people. What isn't printable (see characters.h) and bytes that aren't UTF-8 become
// spaces.
std::string printable(const std::string& text);

// Writes to standard error what printable() makes of the text, except that the ends of lines stay.
void tell(const std::string& text);

// Throws Error(io) when something that tell() was given couldn't be written: for results that go to standard error.
void check_told();

// Writes to standard output: on a terminal as tell() does, otherwise the exact bytes, for programs. Throws Error(io)
// where that fails. A reader that has gone ends the program by SIGPIPE. `still_there` says where else the results are,
// and stands at the end of the error's text; with it a reader that has gone is no failure.
void print(const std::string& text, const std::string& still_there = "");

// Writes JSON, which is in UTF-8, and the end of its line to standard output. What isn't printable is written as
// \uXXXX, so that the JSON means the same and is harmless wherever it ends up. Throws as print().
void print_json(const std::string& json, const std::string& still_there = "");

// Opens those of the standard streams that the program was started without. Otherwise the next files to be opened would
// get their numbers, and what is printed would land in those. Reading and writing them still fails.
void open_standard_streams();

}  // namespace glm::cli
