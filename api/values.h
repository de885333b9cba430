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

// The caller's structure, with the defaults for what an older caller doesn't have. Throws Error(usage) for one that is
// larger than ours.
template <typename Struct>
Struct taken(const Struct* given, void (*init)(Struct*), const std::string& name) {
  Struct all{};
  init(&all);
  if (given == nullptr) return all;
  if (given->struct_size < sizeof(size_t) || given->struct_size > sizeof(Struct)) {
    refuse(name + ".struct_size", "at most " + std::to_string(sizeof(Struct)) + ", and " + name + "_init before use",
           std::to_string(given->struct_size));
  }
  std::memcpy(&all, given, given->struct_size);
  return all;
}

// All of these throw Error(usage) for what doesn't fit, named as in C.
std::string text_of(const char* text, const std::string& name);
Request request_of(const glm_request* given);
// Without `picture`, which needs the caller's buffer. request: gets full_taps.
Callbacks callbacks_of(const glm_callbacks* given, Request* request);

}  // namespace glm::c
