#include "api/engine.h"

#include <algorithm>
#include <cstring>

#include "base/refuse.h"

namespace glm::c {

void tell(Engine& engine, const char* text) noexcept {
  const std::lock_guard lock(engine.mutex);
  std::strncpy(engine.error, text, sizeof engine.error - 1);
}

glm_status status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage:
      return GLM_USAGE;
    case ErrorCode::model:
      return GLM_MODEL;
    case ErrorCode::memory:
      return GLM_MEMORY;
    case ErrorCode::device:
      return GLM_DEVICE;
    case ErrorCode::io:
      return GLM_IO;
    case ErrorCode::cancelled:
      return GLM_CANCELLED;
    case ErrorCode::internal:
      return GLM_INTERNAL;
  }
  return GLM_INTERNAL;
}

size_t hand_out(std::string_view from, char* text, size_t size) {
  if (text != nullptr && size > 0) {
    const size_t copied = std::min(from.size(), size - 1);
    std::memcpy(text, from.data(), copied);
    text[copied] = '\0';
  }
  return from.size();
}

Pipeline& pipeline_of(Engine& engine) {
  const std::lock_guard lock(engine.mutex);
  if (engine.pipeline == nullptr) refuse("engine", "one that has loaded a checkpoint", "an empty one");
  return *engine.pipeline;
}

}  // namespace glm::c
