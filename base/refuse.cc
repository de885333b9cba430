#include "base/refuse.h"

namespace glm {

std::string refusal(const std::string& what, const std::string& expected, const std::string& found,
                    const std::string& advice) {
  return (what.empty() ? "" : what + ": ") + "expected " + expected + ", found " + found +
         (advice.empty() ? "" : "; " + advice);
}

void refuse(ErrorCode code, const std::string& what, const std::string& expected, const std::string& found,
            const std::string& advice) {
  throw Error(code, refusal(what, expected, found, advice));
}

void refuse(const std::string& what, const std::string& expected, const std::string& found) {
  refuse(ErrorCode::usage, what, expected, found);
}

void throw_if_cancelled(const CancelToken* cancel) {
  if (cancel != nullptr && cancel->cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
}

}  // namespace glm
