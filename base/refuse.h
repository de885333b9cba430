// Refuses everything that is wrong with the same form of sentence.
#pragma once

#include <string>

#include "glm/cancel.h"
#include "glm/error.h"

namespace glm {

// Returns the text "what: expected …, found …; advice". `what` and `advice` may be empty.
std::string refusal(const std::string& what, const std::string& expected, const std::string& found,
                    const std::string& advice);

// Throws Error(code) with this text.
[[noreturn]] void refuse(ErrorCode code, const std::string& what, const std::string& expected, const std::string& found,
                         const std::string& advice = "");

// Does the same with Error(usage) and no advice.
[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& found);

// Throws Error(cancelled) when the token is set. `cancel` may be null.
void throw_if_cancelled(const CancelToken* cancel);

}  // namespace glm
