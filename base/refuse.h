// How a wrong value is refused everywhere.
#pragma once

#include <string>

#include "glm/error.h"

namespace glm {

// Throws Error(usage): "what: expected …, found …".
[[noreturn]] inline void refuse(const std::string& what, const std::string& expected, const std::string& found) {
  throw Error(ErrorCode::usage, what + ": expected " + expected + ", found " + found);
}

}  // namespace glm
