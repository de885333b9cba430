// What a glm_engine holds, and the border of each C function.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>

#include "base/process_mark.h"
#include "glm/error.h"
#include "glm/pipeline.h"
#include "glm_image.h"

namespace glm::c {

struct Engine {
  glm::ProcessMark process;  // the one that made it; in a child of its fork the locks may be held for ever
  std::unique_ptr<glm::Pipeline> pipeline;
  std::mutex load;  // held while a checkpoint is loaded

  std::mutex mutex;       // guards `pipeline`, `warnings` and `error`
  std::string warnings;   // of loading, a line each
  char error[2048] = "";  // an array: there may be no memory left for the message that says so
};

}  // namespace glm::c

// Shared: a call under way holds it too, so that one of its callbacks may destroy the handle.
struct glm_engine {
  std::shared_ptr<glm::c::Engine> engine = std::make_shared<glm::c::Engine>();
};

namespace glm::c {

inline constexpr const char* kForked =
    "expected a call in the process that created the engine, found one in a child that it forked afterwards; create an "
    "engine in the child";

void tell(Engine& engine, const char* text) noexcept;
glm_status status_of(ErrorCode code) noexcept;

// Runs a call and returns its status. The engine keeps the message of what is thrown.
template <typename Call>
glm_status guarded(const glm_engine* handle, Call call) noexcept {
  if (handle == nullptr || handle->engine->process.is_in_child()) return GLM_USAGE;
  const std::shared_ptr<Engine> kept = handle->engine;
  Engine& engine = *kept;
  try {
    call(engine);
    return GLM_OK;
  } catch (const Error& e) {
    tell(engine, e.what());
    return status_of(e.code());
  } catch (const std::bad_alloc&) {
    tell(engine, "out of memory");
    return GLM_MEMORY;
  } catch (const std::exception& e) {
    tell(engine, e.what() != nullptr ? e.what() : "an exception without a text");
    return GLM_INTERNAL;
  } catch (...) {
    tell(engine, "an exception of an unknown kind");
    return GLM_INTERNAL;
  }
}

// Copies as much of `from` as fits, with a 0 at the end. Returns the length of `from`.
size_t hand_out(std::string_view from, char* text, size_t size);

// Throws Error(usage) for an engine without a checkpoint.
Pipeline& pipeline_of(Engine& engine);

}  // namespace glm::c
