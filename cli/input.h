// What comes in from files, pipes and standard input, and texts in whatever encoding they come.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/read_file.h"

namespace glm::cli {

// Says whether a file's name is one of standard input's: "-", /dev/stdin and so on.
bool is_standard_input(const std::string& name);

// Throws Error(usage) when more than one of these inputs is standard input, which can be read once only.
void check_standard_input(const std::vector<std::string>& names);

// Returns "standard input" or the name, for messages.
std::string input_name(const std::string& name);

// Reads at most `most` bytes of a file, a pipe such as <(…), or standard input. Waits for a pipe's writer. Throws
// nothing but std::bad_alloc.
FileContents read_input(const std::string& name, uint64_t most);

// Returns the bytes of a picture's file. Throws Error(io) where there is none, or Error(usage) for more than 256 MiB.
std::string read_picture_bytes(const std::string& name);

// Throws Error(usage) that begins with `what` and names the encoding when a text isn't UTF-8.
void check_utf8(const std::string& what, const std::string& bytes);

// Returns a text without the marks that editors and shells leave around it: a byte order mark at its start, carriage
// returns in its ends of lines, and the end of its last line. Throws as check_utf8().
std::string text_of(const std::string& what, const std::string& bytes);

// Returns the prompt in a file, a pipe or standard input. Throws Error(io) where there is none, and as text_of().
std::string read_prompt(const std::string& name);

}  // namespace glm::cli
