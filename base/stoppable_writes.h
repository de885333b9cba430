// Writes to pipes and devices, which may have to wait until somebody reads. A token can end the wait.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "glm/cancel.h"

namespace glm {

// While it lives, this thread's writes to pipes and devices look at the token. A write that waits because nobody reads
// ends with Error(cancelled) when the token is set. A write whose bytes are read goes on to its end, whatever the token
// says.
class StoppableWrites {
 public:
  explicit StoppableWrites(const CancelToken* token);  // which may be null
  ~StoppableWrites();
  StoppableWrites(const StoppableWrites&) = delete;
  StoppableWrites& operator=(const StoppableWrites&) = delete;

 private:
  const CancelToken* before_;
};

// Opens a pipe or a device for writing, and waits until a pipe has a reader. Returns -1, with the reason in errno, when
// it can't be opened. Throws Error(cancelled) when the token ends the wait.
int open_for_reader(const std::filesystem::path& file);

// Writes all bytes to a descriptor of open_for_reader() or to standard output, and waits while the pipe is full. `name`
// is what messages call it. Returns false, with the reason in errno, when a write fails. Throws Error(cancelled) when
// the token ends the wait.
bool write_to_reader(int descriptor, const std::filesystem::path& name, std::span<const uint8_t> bytes);

}  // namespace glm
