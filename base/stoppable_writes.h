// Lets a write be ended that waits for somebody to read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "glm/cancel.h"

namespace glm {

// While it lives, a write of this thread to a pipe or a device ends with Error(cancelled) once the token is set and
// nobody reads. Where somebody does read, the write goes on, and it never waits in vain for the token.
class StoppableWrites {
 public:
  explicit StoppableWrites(const CancelToken* token);  // which may be null
  ~StoppableWrites();
  StoppableWrites(const StoppableWrites&) = delete;
  StoppableWrites& operator=(const StoppableWrites&) = delete;

 private:
  const CancelToken* before_;
};

// Opens a pipe or a device for writing. Waits for a pipe's reader. Returns -1 with the reason in errno where it can't
// be opened, and throws Error(cancelled).
int open_for_reader(const std::filesystem::path& file);

// Writes all bytes to what open_for_reader() has opened, or to standard output; `name` is its name in messages. Waits
// where the pipe is full. Returns false with the reason in errno where a write fails, and throws Error(cancelled).
bool write_to_reader(int descriptor, const std::filesystem::path& name, std::span<const uint8_t> bytes);

}  // namespace glm
