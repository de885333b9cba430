#pragma once

namespace glm::cli {

// Returns the name that the kernel was given to start this program, or "".
const char* started_as();

// Gives standard error and the working folder back. The libraries start before main(), and meanwhile standard error
// leads nowhere, and "/" stands for a working folder that was removed. main() calls this first.
void libraries_have_started();

}  // namespace glm::cli
