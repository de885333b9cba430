#pragma once

#include "glm/cancel.h"

namespace glm::cli {

// From now on the first Ctrl-C (or SIGTERM) sets the token that this returns, and the second ends the program at once.
// A reader of ours who leaves doesn't end it.
const CancelToken& catch_interrupts();

}  // namespace glm::cli
