#pragma once

#include "glm/cancel.h"

namespace glm::cli {

// Returns a token that the first Ctrl-C (or SIGTERM) sets from now on. The second ends the program at once. From now on
// a closed pipe doesn't end the program, either.
const CancelToken& catch_interrupts();

}  // namespace glm::cli
