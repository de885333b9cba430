// Writes files whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <ostream>
#include <span>
#include <string>

namespace glm {

using Write = std::function<void(std::ostream&)>;

// Returns a Write of these bytes, which have to live until it has been called.
Write bytes_writer(std::span<const uint8_t> bytes);

// Calls `write` with a stream and makes its bytes the contents of `file`. They are written to a temporary file beside
// it with a random name, which is then renamed. Each of these is on the disk before the next begins, so that a power
// cut leaves the old contents or the new ones. Links are followed. A file that is replaced keeps its owner, permissions
// and extended attributes. Where a rename isn't possible, or would lose these, the file is written directly: one that
// is a mount of its own, for instance, or that stands in a folder where nothing can be made. A device or a pipe is
// always written directly. `write` may be called twice, for the temporary file and for the file itself. Throws
// Error(io) naming the file when anything fails, or what `write` throws, and leaves no temporary file behind. No signal
// ends the process. Any number of threads and processes may write the same file: one of them wins.
void write_file(const std::filesystem::path& file, const Write& write);

// Does the same, but never replaces a file. Returns false where there is one, even one that another process has made
// meanwhile.
[[nodiscard]] bool write_new_file(const std::filesystem::path& file, const Write& write);

// Throws Error(io) when write_file() couldn't write `file`, as far as that can be seen without touching anything:
// writing may still fail later.
void check_place(const std::filesystem::path& file);

// Returns the name that `file` stands for once links at its end are followed. Nothing needs to exist there. A loop of
// links gives a name of the loop.
std::filesystem::path behind_links(std::filesystem::path file);

// Throws Error(io): "file: can't be written (reason); choose another place".
[[noreturn]] void refuse_to_write(const std::filesystem::path& file, const std::string& reason);

}  // namespace glm
