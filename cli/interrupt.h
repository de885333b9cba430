#pragma once

#include "glm/cancel.h"

namespace glm::cli {

// Returns a token that the first Ctrl-C (or SIGTERM, or SIGHUP of a terminal that is closed) sets from now on. The
// second ends the program at once. From now on a closed pipe doesn't end the program, either.
const CancelToken& catch_interrupts();

// Lets these signals end the program at once again. Call it when nothing is left to tidy up.
void release_interrupts();

// Ends the program by the signal that has set the token, if one has. The parent, such as a shell's loop, sees then that
// the program was interrupted, and by what. Call it when everything is tidied up.
void end_if_interrupted();

// Ends the program by SIGPIPE, as if catch_interrupts() hadn't been called: not where the parent ignores that signal.
// Call it when the reader of standard output has gone.
void end_by_closed_pipe();

}  // namespace glm::cli
