// Writes files whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

namespace glm {

// Calls `write` with a stream and makes its bytes the contents of `file`. A new or regular file is written as a
// temporary file beside it, which is then renamed. Each of these is on the disk before the next begins, so that a power
// cut leaves the old contents or the new ones. A device or a pipe is opened and written itself. Throws Error(io) naming
// the file when anything fails, or what `write` throws, and leaves no temporary file behind. Any number of threads and
// processes may write the same file: one of them wins.
void write_file(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write);

// Throws Error(io): "file: can't be written (reason); choose another place".
[[noreturn]] void refuse_to_write(const std::filesystem::path& file, const std::string& reason);

}  // namespace glm
