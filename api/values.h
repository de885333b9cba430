// What comes in through the C interface, as the C++ interface takes it.
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

// Throws Error(usage) for a struct_size that no version's structure has: larger than ours, or ending within a field.
void check_struct_size(size_t size, size_t ours, const std::string& name);

// The caller's structure, with the defaults for what an older caller doesn't have. Throws as check_struct_size().
template <typename Struct>
Struct taken(const Struct* given, void (*init)(Struct*), const std::string& name) {
  Struct all{};
  init(&all);
  if (given == nullptr) return all;
  check_struct_size(given->struct_size, sizeof(Struct), name);
  std::memcpy(&all, given, given->struct_size);
  return all;
}

// All of these throw Error(usage) for what doesn't fit, named as in C.
std::string text_of(const char* text, const std::string& name);
Request request_of(const glm_request* given);
// All of the callbacks but `picture`, which needs the caller's buffer. Sets full_taps of the request.
Callbacks callbacks_of(const glm_callbacks* given, Request* request);

}  // namespace glm::c
