// How a stage tells how far it is.
#pragma once

#include <cstdint>
#include <functional>

namespace glm {

// Called after tokens or steps with what is done and the total; may throw to stop.
using StepDone = std::function<void(int64_t done, int64_t total)>;

}  // namespace glm
