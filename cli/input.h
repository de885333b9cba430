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

// Says for a message what was found where read_input() found nothing to read: "none", "a folder", "a link that leads
// nowhere", "one that can't be opened (Permission denied)".
std::string what_is_there(const std::string& name);

// Returns the bytes of a picture's file. Throws Error(io) where there is none, or Error(usage) for more than 256 MiB.
std::string read_picture_bytes(const std::string& name);

// Returns a text without what editors, shells and file systems leave around it: byte order marks at its start, carriage
// returns in its ends of lines, and at its end all ends of lines and the ^Z of old systems.
std::string without_marks(const std::string& bytes);

// Returns without_marks() of a text. Throws Error(usage) that begins with `what` and says what was found when the text
// isn't UTF-8, or has a NUL.
std::string text_of(const std::string& what, const std::string& bytes);

// Returns the prompt in a file, a pipe or standard input. Throws Error(io) where there is none, and as text_of().
std::string read_prompt(const std::string& name);

}  // namespace glm::cli
