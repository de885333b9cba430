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

// Calls `write` with a stream, and makes the bytes that it writes the contents of `file`.
// - The bytes go to a temporary file beside it, which has a random name and is renamed at the end. The bytes are on the
//   disk before the rename, so that after a power cut the file has either the old contents or the new ones.
// - Links are followed. The new file gets the owner, the permissions and the extended attributes of the old one.
// - Some files can't be replaced by a new one, or would lose these by it: a file that is a mount of its own, for
//   instance, or one in a folder where no file can be made. Such a file is written directly.
// - A device or a pipe is always written directly. While nobody reads from a pipe, the call waits. StoppableWrites can
//   end the wait.
// - `write` may be called twice: for the temporary file, and then for the file itself.
// Throws Error(io) naming the file when anything fails, or what `write` throws, and leaves no temporary file behind. No
// signal ends the process. Any number of threads and processes may write the same file: one of them wins.
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
