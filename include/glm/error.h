// The one exception type of the library. Each message says what was expected, what was found and what to do.
#pragma once

#include <stdexcept>
#include <string>

#include "glm/api.h"

namespace glm {

// The program maps these to exit statuses: usage 2, model 3, memory 4, device 5, cancelled 130, io and internal 1.
enum class ErrorCode { usage, model, io, memory, device, cancelled, internal };

class GLM_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace glm
