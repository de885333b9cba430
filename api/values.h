// Makes C++ values of what comes in through the C interface.
#pragma once

#include <cstring>
#include <string>

#include "base/refuse.h"
#include "glm/pipeline.h"
#include "glm_image.h"

struct glm_cancel {
  glm::CancelToken token;
};

namespace glm::c {

// Throws Error(usage) for a struct_size that no version's structure has: it is larger than ours, or ends within a
// field.
void check_struct_size(size_t size, size_t ours, const std::string& name);

// Returns the caller's structure, with the defaults for fields that an older caller doesn't know, or all defaults for
// NULL. Throws as check_struct_size().
template <typename Struct>
Struct taken(const Struct* given, void (*init)(Struct*), const std::string& name) {
  Struct all{};
  init(&all);
  if (given == nullptr) return all;
  check_struct_size(given->struct_size, sizeof(Struct), name);
  std::memcpy(&all, given, given->struct_size);
  return all;
}

// These throw Error(usage) for what doesn't fit. The message names it as in C.
std::string checked_text(const char* text, const std::string& name);
Request request_of(const glm_request* given);
// Returns all callbacks but `picture`, which needs the caller's buffer. Sets full_taps of the request.
Callbacks callbacks_of(const glm_callbacks* given, Request* request);

}  // namespace glm::c
