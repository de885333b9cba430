// Files written whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

namespace glm {

// Calls `write` with a stream and makes its bytes the contents of `file`: through a temporary file beside it and a
// rename when `file` is new or regular, each on the disk before the next, so that a power cut leaves the old contents
// or the new ones; devices and pipes are opened and written. Any number of threads and processes may write the same
// file: one of them wins. Throws Error(io) naming the file when anything fails, and then leaves no temporary file
// behind; what `write` throws goes through likewise.
void write_file(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write);

// Throws Error(io): "file: can't be written (reason); choose another place".
[[noreturn]] void refuse_to_write(const std::filesystem::path& file, const std::string& reason);

}  // namespace glm
