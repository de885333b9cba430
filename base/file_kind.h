// Says what a file is that was given for something else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace glm {

// How many of a file's first bytes are enough.
inline constexpr size_t kFileKindBytes = 512;

struct FileKind {
  std::string name;    // "a HEIC picture"; empty: unknown
  std::string advice;  // what to do, whatever the file was for; may be empty
};

// Tells a file's kind by its first bytes, whatever its name says. Only kinds that people mistake for a picture that can
// be read, for weights or for JSON are known.
FileKind file_kind(std::string_view first_bytes);

}  // namespace glm
