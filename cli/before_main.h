#pragma once

namespace glm::cli {

// Returns the name that the kernel was given to start this program, or "".
const char* started_as();

// Gives standard error and the working folder back, which this file takes away while the libraries start. For main()'s
// beginning.
void libraries_have_started();

}  // namespace glm::cli
